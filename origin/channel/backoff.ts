/**
 * The wait before another attempt to connect, or to have results stored: exponential backoff with
 * full jitter, so that the origins of a farm do not all reconnect at one moment after a deployment.
 */

/** Upper bound of the first wait, ms; it doubles with every failure in a row. */
const FIRST = 1_000;
/** Largest upper bound, ms: an origin reconnects within half a minute after the edge is back. */
const LONGEST = 30_000;
/**
 * Waits after a refusal that only a person can resolve (wrong key, wrong package set, another
 * process with the same name) are between half of this and this, ms.
 */
const REFUSED = 60_000;

/** The wait after so many failures in a row (1 or more), ms. `random`: from 0 to 1. */
export const backoff = (failures: number, random: number): number =>
  Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 20)) * random;

/** The wait after a refusal, ms. `random`: from 0 to 1. */
export const refusedBackoff = (random: number): number => (REFUSED / 2) * (1 + random);
