/** The signals by which a terminal, npm or a service manager stops this process. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Signals within this time count as one request, ms. */
const SAME_REQUEST = 1_000;

/**
 * Aborts at the first of these signals. Another within SAME_REQUEST is ignored, since at Ctrl-C the
 * terminal signals this process, and so does npm; a later one ends the process at once.
 */
export function stopSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) return;
    controller.abort();
    setTimeout(() => SIGNALS.forEach((name) => process.off(name, onSignal)), SAME_REQUEST).unref();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return controller.signal;
}

/** Resolves when the signal aborts. */
export const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
