/** An origin's slots: how many jobs it does at once, over all the edges that it serves. */
export class Slots {
  readonly total: number;
  #used = 0;

  constructor(total: number) {
    this.total = total;
  }

  get used(): number {
    return this.#used;
  }

  /** A slot, to be given back by calling what is returned, once; undefined when all are taken. */
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
