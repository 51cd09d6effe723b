/** `/farm`: the machines that build, and what they have done. */
import type { InferOutput } from "valibot";
import type { DemandAnswer } from "../../../contract/api.ts";
import type { FarmView, PublicFarmSchema } from "../../../contract/farm-state.ts";
import { useAnswer } from "../api.ts";
import { Fact } from "../fact.tsx";
import { plural } from "../format.ts";
import { RecentFailures } from "../recent-failures.tsx";
import { SignIn, Trouble } from "../trouble.tsx";
import { OperatorView } from "./operator-view.tsx";
import { WORLD } from "./world.ts";

type PublicView = InferOutput<typeof PublicFarmSchema>;

/** How often the farm's state is read again, milliseconds. */
const EVERY_MS = 5_000;
/** Most recent failures that are shown. */
const FAILURES = 20;

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
      {answer !== null && (isOperators(answer) ? <OperatorView view={answer} /> : <Public />)}
    </>
  );
}

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

/** What everybody sees beside the counts. */
function Public() {
  return (
    <>
      <PulledMost />
      <RecentFailures most={FAILURES} every={EVERY_MS} />
      <details>
        <summary>Sign in as an operator to see more</summary>
        <SignIn />
      </details>
    </>
  );
}

/** What is pulled most, as far as it is counted in the bucket. */
function PulledMost() {
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
