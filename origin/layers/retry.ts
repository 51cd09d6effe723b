/** Tries again what the bucket may do better a moment later. */
import { setTimeout as delay } from "node:timers/promises";

/**
 * First wait, milliseconds; each next is twice as long, up to MAX_WAIT_MS, and each by chance up to
 * half shorter, so that many origins do not come back at once.
 */
const FIRST_WAIT_MS = 200;
const MAX_WAIT_MS = 10_000;

export interface RetryOptions {
  readonly signal: AbortSignal;
  /** No new attempt begins when so many milliseconds have passed. */
  readonly forMs: number;
  readonly isPassing: (error: unknown) => boolean;
  readonly onRetry: (error: unknown, waitMs: number) => void;
}

export async function retry<T>(
  attempt: () => Promise<T>,
  { signal, forMs, isPassing, onRetry }: RetryOptions,
): Promise<T> {
  const end = Date.now() + forMs;
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const waitMs = wait * (1 - Math.random() / 2);
      if (!isPassing(error) || Date.now() + waitMs > end) throw error;
      onRetry(error, waitMs);
      await delay(waitMs, undefined, { signal });
    }
  }
}
