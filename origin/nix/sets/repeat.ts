/** Work that is repeated on request, such as looking for changes of a package set. */
import type { StopWatching } from "../types.ts";

/**
 * `again` requests another run of `work`, after those that run or wait; it resolves when that run
 * is over and never rejects: errors go to `onError`. After `stop` nothing is run or reported any
 * more.
 */
export function repeating(
  work: (signal: AbortSignal) => Promise<void>,
  onError: (error: unknown) => void,
): { readonly again: () => Promise<void>; readonly stop: StopWatching } {
  const stopping = new AbortController();
  const { signal } = stopping;
  let running = Promise.resolve();
  const once = async (): Promise<void> => {
    if (signal.aborted) return;
    try {
      await work(signal);
    } catch (error) {
      if (!signal.aborted) onError(error);
    }
  };
  return {
    again: () => (running = running.then(once)),
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
