/**
 * How long to wait before the next attempt to connect or to have results stored: exponential
 * backoff with full jitter, so that a farm's origins do not all return at the same moment after a
 * deploy.
 */

/** Upper bound of the first wait, ms; it doubles with every failure in a row. */
const FIRST = 1_000;
/** The bound grows no further, ms, so that an edge that is back is found within half a minute. */
const LONGEST = 30_000;
/**
 * Waits after a refusal that only a person can resolve (wrong key, wrong package set, another
 * process with the same name) are between half of this and this, ms.
 */
const REFUSED = 60_000;

/** `failures`: failed tries in a row, from 1. `random`: from 0 to 1. Returns ms. */
export const backoff = (failures: number, random: number): number =>
  Math.min(LONGEST, FIRST * 2 ** Math.min(failures - 1, 20)) * random;

/** The wait after a refusal, ms. `random`: from 0 to 1. */
export const refusedBackoff = (random: number): number => (REFUSED / 2) * (1 + random);
