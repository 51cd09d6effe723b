/** One origin, and how operators drain and rest it. */
import { useState } from "preact/hooks";
import type { FarmView } from "../../../contract/farm-state.ts";
import { refresh, send } from "../api.ts";
import { ago, bytes } from "../format.ts";
import { WORLD } from "./world.ts";

type Origin = FarmView["origins"][number];

/** How long a rest lasts, seconds. */
const REST_SECONDS = 3_600;

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

/** `now`: by the edge's clock, milliseconds since 1970. */
export function OriginCard({ origin, now }: { readonly origin: Origin; readonly now: number }) {
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

/** What an operator can do to an origin; the API's paths are those of contract/operator.ts. */
interface Action {
  readonly label: string;
  readonly method: "POST" | "DELETE";
  /** Below the origin's own path. */
  readonly path: string;
  /** What is said when it is done. */
  readonly told: string;
}

function actionsOn({ name, state, connected, restUntil }: Origin): readonly Action[] {
  if (state === "revoked") return [];
  const drain: Action =
    state === "drained"
      ? {
          label: "Give it jobs again",
          method: "DELETE",
          path: "/drain",
          told: `${name} takes jobs again.`,
        }
      : {
          label: "Drain",
          method: "POST",
          path: "/drain",
          told: `${name} finishes its jobs and gets no more.`,
        };
  const rest: Action =
    restUntil === null
      ? {
          label: "Rest for an hour",
          method: "POST",
          path: `/rest?seconds=${REST_SECONDS}`,
          told: `${name} rests for an hour.`,
        }
      : {
          label: "End its rest",
          method: "POST",
          path: "/rest?seconds=0",
          told: `${name} no longer rests.`,
        };
  return connected ? [drain, rest] : [drain];
}

/** Draining and resting, as `firn drain` and `firn rest` do it. */
function Controls({ origin }: { readonly origin: Origin }) {
  const [told, setTold] = useState<{ readonly text: string; readonly bad: boolean } | null>(null);
  const base = `/api/farm/origins/${encodeURIComponent(origin.name)}`;
  const act = async ({ method, path, told: text }: Action): Promise<void> => {
    try {
      await send(base + path, { method });
      setTold({ text, bad: false });
      refresh();
    } catch (error) {
      setTold({ text: (error as Error).message, bad: true });
    }
  };
  return (
    <p class="controls">
      {actionsOn(origin).map((action) => (
        <button type="button" class="secondary" key={action.label} onClick={() => void act(action)}>
          {action.label}
          <span class="sr"> {origin.name}</span>
        </button>
      ))}
      <span role="status" class={told?.bad === true ? "bad" : "good"}>
        {told?.text}
      </span>
    </p>
  );
}
