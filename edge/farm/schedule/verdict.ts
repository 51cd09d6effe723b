/**
 * Why an item ends without a result: it crashed its origins, failed too often, waited too long, or
 * no connected origin could make it. Pure.
 */
import { MAX_ATTEMPTS, type Times } from "../limits.ts";
import { QUARANTINE_AFTER } from "./health.ts";
import { saysRefused } from "../../contract/bucket-status.ts";
import { isPaused, isServed } from "./place.ts";
import type { Entry, OriginState } from "./state.ts";

/**
 * An item that ends without a result. `reason` is for clients, the entry's `trouble` for operators.
 */
export interface Verdict {
  readonly entry: Entry;
  readonly kind: "give-up" | "quarantine" | "no-origin" | "paused" | "lacking";
  readonly reason: string;
}

/**
 * Why a queued item ends now; undefined when it keeps waiting. `origins`: all that are connected,
 * or whose connection was lost within `reconnect`.
 */
export function verdictOn(
  entry: Entry,
  origins: ReadonlyMap<string, OriginState>,
  now: number,
  times: Times,
): Verdict | undefined {
  if (entry.losses >= QUARANTINE_AFTER)
    return {
      entry,
      kind: "quarantine",
      reason:
        `${entry.losses} origins were lost while they worked on it, so it is not ` +
        `tried again for a while`,
    };
  if (entry.attempts >= MAX_ATTEMPTS)
    return {
      entry,
      kind: "give-up",
      reason: saysRefused(entry.trouble)
        ? "the registry's storage takes nothing new, it may be full; the operator's log says why"
        : `${MAX_ATTEMPTS} attempts failed; the operator's log says why`,
    };
  if (!isServed(entry, origins.values(), now, times))
    return entry.lacking.size + entry.features.size + entry.owners.size > 0
      ? { entry, kind: "lacking", reason: lack(entry) }
      : { entry, kind: "no-origin", reason: "no origin that could do it is connected" };
  if (isPaused(entry, origins.values(), now, times))
    return { entry, kind: "paused", reason: "no origin that could do it takes jobs" };
  if (now >= entry.queuedAt + times.queue)
    return { entry, kind: "give-up", reason: "no origin had a free slot in time" };
  return undefined;
}

/** What the item needs and no connected origin has, for clients. */
function lack({ item, lacking, features, owners }: Entry): string {
  if (features.size > 0) {
    const needed = [...features].join(", ");
    return `no connected origin has the system features ${needed}, which it needs`;
  }
  if (owners.size > 0)
    return (
      `${owners.size + 1} origins of different owners must make it, and no other owner's ` +
      `is connected`
    );
  const isKnown = item.kind !== "tag" && lacking.size > 0;
  const revision = isKnown ? `the revision ${item.revision}` : "this revision";
  return `no connected origin has ${revision} of the package set`;
}
