/** Work that several callers share; it is cancelled only when all of them have given it up. */
export class SharedWork<T> {
  readonly #running = new Map<
    string,
    { readonly result: Promise<T>; readonly stop: AbortController; waiting: number }
  >();

  /**
   * The result of the work with this key, which is started unless it runs already. Throws the
   * signal's reason when the caller gives it up, and the errors of the work.
   */
  async run(
    key: string,
    signal: AbortSignal,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    signal.throwIfAborted();
    let job = this.#running.get(key);
    if (job === undefined) {
      const stop = new AbortController();
      const started = {
        result: work(stop.signal).finally(() => this.#forget(key, stop)),
        stop,
        waiting: 0,
      };
      // Every caller may have left when it fails.
      started.result.catch(() => undefined);
      this.#running.set(key, started);
      job = started;
    }
    job.waiting++;
    const { promise: left, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await Promise.race([job.result, left]);
    } finally {
      signal.removeEventListener("abort", onAbort);
      if (--job.waiting === 0) {
        // Later callers start it anew.
        this.#forget(key, job.stop);
        job.stop.abort(signal.reason);
      }
    }
  }

  #forget(key: string, stop: AbortController): void {
    if (this.#running.get(key)?.stop === stop) this.#running.delete(key);
  }
}
