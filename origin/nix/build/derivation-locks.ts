/**
 * Lets jobs build at the same time unless they need the same derivation. Nix has locks for that,
 * but polls them every 5 s; here the later job goes on as soon as the other one has built.
 */

/** The locks of one origin. */
export class DerivationLocks {
  readonly #held = new Set<string>();
  readonly #waiting = new Set<() => void>();

  /**
   * Calls `work` with locks on the derivations that `needed` lists. `needed` is called again after
   * every wait, since much has been built by then. A job takes all its locks at once or none, so no
   * two jobs wait for each other. Throws the signal's reason when it aborts during a wait.
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
