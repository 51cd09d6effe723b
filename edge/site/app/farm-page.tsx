/** `/farm`: the machines that build, and what they have done. */
import { useState } from "preact/hooks";
import type { DemandAnswer, FailuresAnswer } from "../../contract/api.ts";
import type { FarmView, PublicFarmSchema } from "../../contract/farm-state.ts";
import type { InferOutput } from "valibot";
import { isSignedIn, refresh, send, signOut, useAnswer } from "./api.ts";
import { ago, bytes, duration, plural } from "./format.ts";
import { Fact, SignIn, Trouble } from "./components.tsx";

type PublicView = InferOutput<typeof PublicFarmSchema>;
type Origin = FarmView["origins"][number];
type Job = FarmView["builds"][number];

/** How often it is looked at anew, milliseconds. */
const EVERY_MS = 5_000;
/** What an operator's rest lasts, seconds. */
const REST_SECONDS = 3_600;

const isOperators = (view: FarmView | PublicView): view is FarmView => "origins" in view;

/** The page about the farm; operators who sign in see more. */
export function Farm() {
  const { answer, error } = useAnswer<FarmView | PublicView>("/api/farm", { every: EVERY_MS });
  return (
    <>
      <h1>The farm</h1>
      <p class="lede">
        Origins are the machines that build packages with Nix. They connect to this registry and
        wait for work. What is built already can be pulled without them.
      </p>
      {error !== null && <Trouble error={error} />}
      {answer !== null && <Regions regions={answer.regions} />}
      {answer !== null && isOperators(answer) && <ForOperators view={answer} />}
      {answer !== null && !isOperators(answer) && (
        <>
          <Most />
          <PackageFailures />
        </>
      )}
      {answer !== null && !isOperators(answer) && (
        <details>
          <summary>Sign in as an operator to see more</summary>
          <SignIn />
        </details>
      )}
    </>
  );
}

/** The region of a registry that has no others. */
const WORLD = "world";

function Regions({ regions }: { readonly regions: PublicView["regions"] }) {
  return (
    <ul class="regions" aria-label="Regions">
      {regions.map(({ region, reachable, origins, queued, jobs }) => (
        <li class="card" key={region}>
          <h2>
            {region === WORLD ? "All regions" : region}
            <small class={`tagged ${reachable && origins.connected > 0 ? "built" : "unknown"}`}>
              {!reachable ? "does not answer" : origins.connected > 0 ? "online" : "no origin"}
            </small>
          </h2>
          <dl class="numbers">
            <Fact label="Origins" value={String(origins.connected)} />
            <Fact label="Jobs running" value={String(jobs.packages + jobs.tags)} />
            <Fact label="Waiting" value={String(queued.packages + queued.tags)} />
          </dl>
        </li>
      ))}
    </ul>
  );
}

/** What is pulled most, as far as it is counted in the bucket. */
function Most() {
  const { answer } = useAnswer<DemandAnswer>("/api/demand?limit=12");
  if (answer === null || answer.packages.length === 0) return null;
  return (
    <>
      <h2>
        Pulled most <small>today and yesterday</small>
      </h2>
      <ul class="most">
        {answer.packages.map(({ name, pulls }) => (
          <li key={name}>
            <a class="name" href={`/i/${name}`}>
              {name}
            </a>{" "}
            <small>
              {answer.sampled && "about "}
              {plural(pulls, "pull")}
            </small>
          </li>
        ))}
      </ul>
    </>
  );
}

function PackageFailures() {
  const { answer } = useAnswer<FailuresAnswer>("/api/failures", { every: EVERY_MS });
  if (answer === null) return null;
  const now = Date.now();
  return (
    <>
      <h2>Recent failures</h2>
      {answer.failures.length === 0 && <p class="quiet">No recent failures.</p>}
      <ul class="jobs">
        {answer.failures.map(({ at, name, system, message }) => (
          <li key={`${system} ${name}`}>
            <p class="name">{name}</p>
            <p class="reason">{message}</p>
            <p class="quiet">
              {ago(at, now)}
              {system !== null && ` · ${system}`}
            </p>
          </li>
        ))}
      </ul>
    </>
  );
}

function ForOperators({ view }: { readonly view: FarmView }) {
  return (
    <>
      <Ratio view={view} />
      <h2>Origins</h2>
      <ul class="origins">
        {view.origins.map((origin) => (
          <OriginCard key={origin.name} origin={origin} now={view.at} />
        ))}
      </ul>
      <h2>Recent builds</h2>
      <Jobs jobs={view.builds} now={view.at} empty="Nothing has been built yet." />
      <h2>Recent failures</h2>
      <Jobs jobs={view.failures} now={view.at} empty="Nothing failed." />
      {isSignedIn() && (
        <p>
          <button type="button" class="secondary" onClick={signOut}>
            Sign out
          </button>
        </p>
      )}
    </>
  );
}

/** Of the packages that were pulled, those that were there already. */
function Ratio({ view }: { readonly view: FarmView }) {
  const { answer } = useAnswer<DemandAnswer>("/api/demand?limit=100");
  const built = view.regions.reduce(
    (sum, { tally }) =>
      sum +
      tally.items.reduce(
        (count, item) =>
          count + (item.kind === "package" && item.result === "done" ? item.count : 0),
        0,
      ),
    0,
  );
  const pulled = answer?.packages.reduce((sum, { pulls }) => sum + pulls, 0) ?? 0;
  const jobs = view.regions.reduce((sum, { tally }) => sum + tally.jobs.packages.count, 0);
  const seconds = view.regions.reduce((sum, { tally }) => sum + tally.jobs.packages.seconds, 0);
  const uploaded = view.regions.reduce((sum, { uploadedToday }) => sum + uploadedToday, 0);
  return (
    <dl class="numbers wide">
      {pulled > built && (
        <Fact
          label="There already"
          value={`${Math.floor((100 * (pulled - built)) / pulled)} %`}
          note={`of ${plural(pulled, "package")} pulled lately`}
        />
      )}
      <Fact label="Packages built" value={built.toLocaleString("en")} />
      {jobs > 0 && <Fact label="A job takes" value={duration(seconds / jobs)} note="on average" />}
      <Fact label="Uploaded today" value={bytes(uploaded)} />
    </dl>
  );
}

const STATES: Record<Origin["state"], string> = {
  connected: "takes jobs",
  rested: "rests",
  drained: "drained",
  full: "disk full",
  leaving: "is stopping",
  waiting: "connection lost",
  gone: "not connected",
  revoked: "revoked",
};

function OriginCard({ origin, now }: { readonly origin: Origin; readonly now: number }) {
  const { name, state, reason, region, slots, jobs, systems, version, nix, freeBytes } = origin;
  const good = state === "connected";
  return (
    <li class="card origin">
      <h3>
        <span class="name">{name}</span>
        <small class={`tagged ${good ? "built" : "unknown"}`}>{STATES[state]}</small>
      </h3>
      {reason !== null && <p class="notice">{reason}</p>}
      <p class="quiet">
        {[
          region === WORLD ? null : region,
          origin.connected ? `${jobs.packages} of ${slots} slots busy` : null,
          systems.map((system) => system.replace("-linux", "")).join(", ") || null,
          version === null ? null : `Firn ${version}`,
          nix === null ? null : `Nix ${nix}`,
          freeBytes === null ? null : `${bytes(freeBytes)} free`,
          origin.seen === null ? null : `seen ${ago(origin.seen, now)}`,
          origin.restUntil === null ? null : `rests until ${clock(origin.restUntil)}`,
        ]
          .filter(Boolean)
          .join(" · ")}
      </p>
      <Controls origin={origin} />
    </li>
  );
}

const clock = (at: number): string =>
  new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

/** Draining and resting, as `firn drain` and `firn rest` do it. */
function Controls({ origin: { name, state, connected, restUntil } }: { readonly origin: Origin }) {
  const [told, setTold] = useState<{ readonly text: string; readonly bad: boolean } | null>(null);
  const base = `/api/farm/origins/${encodeURIComponent(name)}`;
  const act = async (method: string, path: string, text: string): Promise<void> => {
    try {
      await send(base + path, { method });
      setTold({ text, bad: false });
      refresh();
    } catch (error) {
      setTold({ text: (error as Error).message, bad: true });
    }
  };
  if (state === "revoked") return null;
  return (
    <p class="controls">
      {state === "drained" ? (
        <button
          type="button"
          class="secondary"
          onClick={() => void act("DELETE", "/drain", `${name} takes jobs again.`)}
        >
          Give it jobs again<span class="sr">: {name}</span>
        </button>
      ) : (
        <button
          type="button"
          class="secondary"
          onClick={() => void act("POST", "/drain", `${name} finishes its jobs and gets no more.`)}
        >
          Drain<span class="sr"> {name}</span>
        </button>
      )}
      {connected &&
        (restUntil === null ? (
          <button
            type="button"
            class="secondary"
            onClick={() =>
              void act("POST", `/rest?seconds=${REST_SECONDS}`, `${name} rests for an hour.`)
            }
          >
            Rest for an hour<span class="sr">: {name}</span>
          </button>
        ) : (
          <button
            type="button"
            class="secondary"
            onClick={() => void act("POST", "/rest?seconds=0", `${name} no longer rests.`)}
          >
            End its rest<span class="sr">: {name}</span>
          </button>
        ))}
      <span role="status" class={told?.bad === true ? "bad" : "good"}>
        {told?.text}
      </span>
    </p>
  );
}

interface JobsProps {
  readonly jobs: readonly Job[];
  readonly now: number;
  readonly empty: string;
}

const SHOWN = 15;

function Jobs({ jobs, now, empty }: JobsProps) {
  if (jobs.length === 0) return <p class="quiet">{empty}</p>;
  return (
    <ul class="jobs">
      {jobs.slice(0, SHOWN).map(({ at, origin, region, seconds, items }) => (
        <li key={`${at} ${origin} ${items[0]?.name}`}>
          <p>
            <span class="name">{items.map(itemText).join(", ")}</span>
          </p>
          {items.some(({ message }) => message !== "") && (
            <p class="reason">{items.find(({ message }) => message !== "")?.message}</p>
          )}
          <p class="quiet">
            {[
              ago(at, now),
              origin ?? "no origin had it",
              region === WORLD ? null : region,
              seconds === null ? null : duration(seconds),
            ]
              .filter(Boolean)
              .join(" · ")}
          </p>
        </li>
      ))}
    </ul>
  );
}

function itemText({ kind, name, result }: Job["items"][number]): string {
  const what =
    kind === "tag" ? `tag ${name}` : kind === "index" ? `names${name && ` of ${name}`}` : name;
  return result === "done" ? what : `${what} (${result})`;
}
