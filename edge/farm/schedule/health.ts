/**
 * Rests origins that keep failing, and quarantines items that crash their origins. Pure.
 *
 * An origin that failed REST_AFTER jobs in a row, for reasons of its own (disk, bucket, not
 * accepted, overdue, invalid results), is rested: for REST, then twice as long each time, at most
 * LONGEST_REST. After that it is on trial: one job at a time, until one is done. The last origin
 * for a system is not rested but put on trial at once: a failing origin is better than none.
 *
 * An item whose origin was lost while it ran goes alone next time, so that it can be told from the
 * others in the same job. After QUARANTINE_AFTER losses it is quarantined: that is an ending like a
 * failure, remembered for longer. A job that was not accepted is no loss, nor is one that its origin
 * comes back with. When many origins are lost at once, by a network failure or a deploy, no item is
 * blamed.
 */
import type { OriginState } from "./state.ts";
import { takesJobs } from "./place.ts";

export const REST_AFTER = 3;
/** The first rest, ms: a full disk or an unavailable bucket is often fine again after a minute. */
const REST = 60_000;
const LONGEST_REST = 30 * 60_000;
/** A single lost origin may be chance. */
export const QUARANTINE_AFTER = 2;
/** Origins lost within this time count as lost at once, ms. */
export const AT_ONCE = 60_000;
/** Fewer than these are not many, however small the farm. */
const MANY_LOST = 3;

/** The origin did a job. */
export function succeeded(origin: OriginState): void {
  origin.failures = 0;
  origin.onTrial = false;
}

/** A job failed for a reason of the origin's own. Returns until when it rests, if it now does. */
export function failed(
  origin: OriginState,
  others: Iterable<OriginState>,
  now: number,
): number | undefined {
  origin.failures += 1;
  if (origin.failures < REST_AFTER) return undefined;
  origin.onTrial = true;
  if (!isCovered(origin, others, now)) return undefined;
  const length = Math.min(LONGEST_REST, REST * 2 ** Math.min(origin.failures - REST_AFTER, 10));
  origin.restUntil = now + length;
  return origin.restUntil;
}

/** Whether other origins that take jobs and do not rest build for all of its systems. */
export function isCovered(
  origin: OriginState,
  others: Iterable<OriginState>,
  now: number,
): boolean {
  const open = new Set(origin.systems);
  for (const other of others)
    if (other !== origin && takesJobs(other) && now >= other.restUntil)
      for (const system of other.systems) open.delete(system);
  return open.size === 0;
}

/** Whether so many origins were lost at once that no item is to blame. `lost`: times, ms. */
export function isOutage(lost: readonly number[], origins: number, now: number): boolean {
  const recent = lost.filter((at) => now - at < AT_ONCE).length;
  return recent >= MANY_LOST && recent * 4 > origins;
}
