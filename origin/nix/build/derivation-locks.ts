/**
 * Lets jobs build at the same time unless they need the same derivation: Nix waits for a build lock
 * that another process holds in steps of 5 s, so the later job would lose up to 5 s, and a test of
 * both would too. Here it waits for exactly as long as the other builds.
 */

export class DerivationLocks {
  readonly #held = new Set<string>();
  readonly #waiting = new Set<() => void>();

  /**
   * Holds what `needed` lists (asked again after every wait, for then much of it is built) and
   * calls `work`. Everything is taken at once or nothing, so no two jobs wait for each other.
   * Waiting ends by the signal; `work` runs without locks when nothing is needed.
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
