/** An origin's slots: how many jobs it runs at once, over all edges that it serves. */
export class Slots {
  readonly total: number;
  #used = 0;

  constructor(total: number) {
    this.total = total;
  }

  get used(): number {
    return this.#used;
  }

  /**
   * Takes a slot; the returned function gives it back and must be called once. Undefined when all
   * are taken.
   */
  take(): (() => void) | undefined {
    if (this.#used >= this.total) return undefined;
    this.#used += 1;
    let taken = true;
    return () => {
      if (taken) this.#used -= 1;
      taken = false;
    };
  }
}
