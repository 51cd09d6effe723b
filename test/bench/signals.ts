/** SIGINT and SIGTERM end the bench in order, so that it leaves nothing behind. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const controller = new AbortController();
const end = (): void => controller.abort(new Error("ended by a signal"));

/** Aborts at the first signal. */
export function endingSignal(): AbortSignal {
  takeSignals();
  return controller.signal;
}

/** To be called after Miniflare started: its own listeners would end this process at once. */
export function takeSignals(): void {
  for (const signal of SIGNALS) process.removeAllListeners(signal).on(signal, end);
}

/**
 * What `work` resolves to. Throws when that takes longer than `seconds`, or a signal came: the work
 * may go on until the caller stops what it runs on.
 */
export async function within<T>(
  seconds: number,
  what: string,
  work: Promise<T>,
  signal: AbortSignal = controller.signal,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    reject(new Error(`${what} took longer than ${seconds} s`));
  }, seconds * 1_000);
  const abort = (): void => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    work.catch(() => {});
  }
}
