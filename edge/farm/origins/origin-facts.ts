/**
 * What the farm stores about an origin (OriginFacts), converted to and from the schedule's
 * OriginState. Pure.
 */
import type { ConfiguredOrigin } from "./configured-origins.ts";
import { MAX_REVISIONS } from "../limits.ts";
import { hashOf } from "../schedule/place.ts";
import type { OriginState } from "../schedule/state.ts";

/** What the farm stores about an origin, as JSON. */
export interface OriginFacts {
  readonly name: string;
  readonly connection: string;
  readonly systems: OriginState["systems"];
  readonly features: readonly string[];
  readonly slots: number;
  readonly version: string;
  readonly nix: string;
  /** Whether its builds are sandboxed; absent in facts that an older edge stored. */
  readonly sandbox?: boolean | undefined;
  readonly revisions: readonly string[];
  readonly accepting: boolean;
  /** Since when it does not, ms since 1970; absent where an older edge kept the facts. */
  readonly pausedAt?: number;
  /** Why it takes no jobs, in its own words. */
  readonly reason?: string | undefined;
  readonly freeBytes?: number | undefined;
  readonly leaving: boolean;
  /** When its connection was lost, ms since 1970; null while it is connected. */
  readonly gone: number | null;
  readonly failures: number;
  readonly restUntil: number;
  readonly onTrial: boolean;
}

/** `configured`: undefined when it is no longer in the configuration. */
export function stateOf(
  facts: OriginFacts,
  configured: ConfiguredOrigin | undefined,
  { drained, seen }: Pick<OriginState, "drained" | "seen">,
): OriginState {
  const { name, systems, features, slots, revisions, gone } = facts;
  const { accepting, pausedAt = 0, leaving, failures, restUntil, onTrial } = facts;
  return {
    name,
    hash: hashOf(name),
    owner: configured?.owner ?? name,
    systems,
    features,
    slots,
    tags: configured?.tags,
    revisions: new Set(revisions),
    connected: gone === null,
    seen,
    leaving,
    accepting,
    pausedAt,
    drained,
    failures,
    restUntil,
    onTrial,
    held: { tags: 0, packages: 0 },
  };
}

/** The facts, updated from the schedule's state. */
export function factsNow(facts: OriginFacts, state: OriginState | undefined): OriginFacts {
  if (state === undefined) return facts;
  const { accepting, pausedAt, leaving, failures, restUntil, onTrial, connected, seen } = state;
  const revisions = [...state.revisions];
  const gone = connected ? null : seen;
  const health = { failures, restUntil, onTrial };
  return { ...facts, accepting, pausedAt, leaving, ...health, revisions, gone };
}

/** The latest revisions, those in `told` last. */
export const latest = (told: readonly string[], known: Iterable<string>): string[] =>
  [...new Set([...known, ...told])].slice(-MAX_REVISIONS);
