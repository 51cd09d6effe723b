/**
 * Single flight: when several requests of an isolate need the same work at the same moment, one
 * does it and the others wait for the result. Otherwise thirty clients would compose one image
 * thirty times.
 *
 * The runtime drops the promises of a cancelled request, and requests that await one of them would
 * wait for ever. So no request waits longer than JOIN_MS; then it does the work itself. The work
 * must therefore be harmless when done twice.
 */

import { LRUCache } from "lru-cache";

/** Longest wait for another request's work, milliseconds: several times what composing takes. */
const JOIN_MS = 2_000;
/**
 * Most work that can be joined. Cancelled requests leave theirs behind, with all that it
 * references.
 */
const MAX_RUNNING = 500;

const running = new LRUCache<string, Promise<unknown>>({ max: MAX_RUNNING });

/**
 * The result of `work`, or of the same work that another request is doing. `key` identifies the
 * work. An error of the other request is not shared.
 */
export async function singleFlight<T>(key: string, work: () => Promise<T>): Promise<T> {
  const other = running.get(key) as Promise<T> | undefined;
  if (other !== undefined) {
    const joined = await join(other);
    if (joined !== null) return joined.value;
  }
  const own = work();
  running.set(key, own);
  try {
    return await own;
  } finally {
    if (running.get(key) === own) running.delete(key);
  }
}

async function join<T>(other: Promise<T>): Promise<{ readonly value: T } | null> {
  const tooLong = Promise.withResolvers<null>();
  const timer = setTimeout(() => tooLong.resolve(null), JOIN_MS);
  try {
    return await Promise.race([other.then((value) => ({ value })), tooLong.promise]);
  } catch {
    // The other request reports its error; this one does the work itself.
    return null;
  } finally {
    clearTimeout(timer);
  }
}
