/**
 * How long to wait before the next try to connect: exponential with full jitter, so that a farm's
 * origins do not all return in the same moment after a deploy.
 */

/** Upper bound of the first wait, ms; it doubles with every failure in a row. */
const FIRST = 1_000;
/** The bound grows no further, ms: an edge that is back is found within half a minute. */
const LONGEST = 30_000;
/**
 * Waits after a refusal that only a person can mend (wrong key, wrong package set, another process
 * of the same name) are between half this and this, ms.
 */
const REFUSED = 60_000;
/** A connection that lasted this long, ms, was a good one: the next failure is the first again. */
export const STABLE = 30_000;

/** `failures`: failed tries in a row, from 1. `random`: from 0 to 1. Returns ms. */
export function pause(failures: number, refused: boolean, random: number): number {
  if (refused) return (REFUSED / 2) * (1 + random);
  return Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 20)) * random;
}
