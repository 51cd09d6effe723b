/**
 * Work that several requests want of one isolate at the same moment: one does it, the others wait.
 * Thirty clients at once would otherwise compose one image thirty times.
 *
 * A request that is cancelled takes its promises with it, and whoever waits for one of them would
 * wait for ever. So nobody waits longer than JOIN_MS, and then does the work itself: all of this
 * work may run twice.
 */

/** Longest wait for another request's work, milliseconds: several times what composing takes. */
const JOIN_MS = 2_000;

const running = new Map<string, Promise<unknown>>();

/**
 * The result of `work`, or of the same work that is under way. `key` names what is worked on. An
 * error of another request's is not shared.
 */
export async function once<T>(key: string, work: () => Promise<T>): Promise<T> {
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
    // It is the other request's to report; here the work is simply not done yet.
    return null;
  } finally {
    clearTimeout(timer);
  }
}
