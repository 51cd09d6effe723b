/** How the terminal, npm or a supervisor tells this process to stop. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** Signals within this time are one request, milliseconds. */
const SAME_REQUEST = 1_000;

/**
 * A signal that aborts at the first of these signals. Another one that comes with it is the same
 * request: npm passes on the Ctrl-C that the terminal has sent to this process too. A later one
 * ends the process at once.
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
