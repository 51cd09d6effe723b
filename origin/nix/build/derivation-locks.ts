/**
 * Lets jobs build at the same time unless they need the same derivation. Nix itself polls a build
 * lock that another process holds every 5 s, so the later job would lose up to 5 s; here it waits
 * exactly as long as the other job builds.
 */

export class DerivationLocks {
  readonly #held = new Set<string>();
  readonly #waiting = new Set<() => void>();

  /**
   * Locks what `needed` lists (asked again after every wait, as much of it is built by then) and
   * calls `work`. A job takes all its locks at once or none, so no two jobs wait for each other. An
   * abort ends the waiting, and rejects with the signal's reason.
   */
  async with<T>(
    needed: () => Promise<readonly string[]>,
    signal: AbortSignal,
    work: () => Promise<T>,
  ): Promise<T> {
    let mine = await needed();
    while (mine.some((derivation) => this.#held.has(derivation))) {
      await this.#released(signal);
      mine = await needed();
    }
    for (const derivation of mine) this.#held.add(derivation);
    try {
      return await work();
    } finally {
      for (const derivation of mine) this.#held.delete(derivation);
      for (const wake of this.#waiting) wake();
    }
  }

  #released(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#waiting.delete(settle);
        signal.removeEventListener("abort", settle);
        if (signal.aborted) reject(signal.reason as Error);
        else resolve();
      };
      this.#waiting.add(settle);
      signal.addEventListener("abort", settle);
      if (signal.aborted) settle();
    });
  }
}
