/** What operators see of a farm. Pure. */
import {
  type EndedJob,
  ORIGIN_STATES,
  type OriginStateName,
  type OriginView,
  type Tally,
} from "../contract/farm-state.ts";
import type { OriginFacts } from "./origins/origin-facts.ts";
import type { Lane, OriginState } from "./schedule/state.ts";

export interface FarmOverview {
  /** Those that are remembered, and those that an operator has revoked or drained. */
  readonly origins: readonly OriginView[];
  /** Items that wait for an origin. */
  readonly queued: Readonly<Record<Lane, number>>;
  readonly tally: Tally;
  readonly builds: readonly EndedJob[];
  readonly failures: readonly EndedJob[];
  /** Bytes that origins were allowed to upload since 00:00 UTC. */
  readonly uploadedToday: number;
}

/** What an operator has set for a name, and how long a lost connection is waited for. */
export interface Seen {
  readonly now: number;
  /** Milliseconds (limits.ts). */
  readonly reconnect: number;
  readonly revoked: boolean;
  readonly drained: boolean;
}

/** An origin as operators see it. */
export function viewOf(facts: OriginFacts, state: OriginState | undefined, seen: Seen): OriginView {
  const { name, gone, slots, systems, features, version, nix } = facts;
  const { restUntil, onTrial, failures } = facts;
  return {
    name,
    state: stateName(facts, state, seen),
    reason: facts.accepting ? null : (facts.reason ?? null),
    connected: gone === null,
    seen: state?.seen ?? gone,
    restUntil: restUntil > seen.now ? restUntil : null,
    onTrial,
    failures,
    slots,
    jobs: { ...(state?.held ?? { tags: 0, packages: 0 }) },
    systems: [...systems],
    features: [...features],
    version,
    nix,
    sandbox: facts.sandbox ?? null,
    freeBytes: facts.freeBytes ?? null,
  };
}

function stateName(
  { gone, leaving, accepting, restUntil }: OriginFacts,
  state: OriginState | undefined,
  { now, reconnect, revoked, drained }: Seen,
): OriginStateName {
  const is: Record<OriginStateName, boolean> = {
    revoked,
    drained,
    gone: gone !== null && now >= (state?.seen ?? gone) + reconnect,
    waiting: gone !== null,
    leaving,
    full: !accepting,
    rested: restUntil > now,
    connected: true,
  };
  return ORIGIN_STATES.find((name) => is[name]) ?? "connected";
}

/** An origin about which nothing is known, except from operators or ORIGINS. */
export const unseen = (name: string, state: OriginStateName): OriginView => ({
  name,
  state,
  reason: null,
  connected: false,
  seen: null,
  restUntil: null,
  onTrial: false,
  failures: 0,
  slots: 0,
  jobs: { tags: 0, packages: 0 },
  systems: [],
  features: [],
  version: null,
  nix: null,
  sandbox: null,
  freeBytes: null,
});
