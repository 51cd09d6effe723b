/** Waiting for what happens in another process: looked at again and again, and never for ever. */
import { setTimeout as sleep } from "node:timers/promises";

const POLL = 20;
const LIMIT = 60_000;

/**
 * Resolves with the first answer of `look` that is not undefined or false. Throws, with `what` did
 * not happen, after `limit` milliseconds.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  limit = LIMIT,
): Promise<Exclude<T, false | undefined>> {
  for (const start = performance.now(); performance.now() - start < limit; await sleep(POLL)) {
    const answer = await look();
    if (answer !== undefined && answer !== false) return answer as Exclude<T, false | undefined>;
  }
  throw new Error(`after ${limit / 1_000} s: not yet ${what}`);
}
