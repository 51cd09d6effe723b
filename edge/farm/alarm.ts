/**
 * The Farm object's alarm. It has one, which everything that has to happen at some time shares: it
 * rings at the earliest of these times, and everybody looks then whether it is theirs. One that
 * rings too early does no harm, so it is only ever set to an earlier time.
 */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  /** The earliest time that was asked for since `set`, ms since 1970. */
  #needed = Infinity;
  /** When it rings; Infinity: never; undefined: not read yet, after a restart. */
  #at: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** It is to ring at this time at the latest, ms since 1970. Call `set` afterwards. */
  by(at: number): void {
    this.#needed = Math.min(this.#needed, at);
  }

  /** Sets it as early as it is needed: once for all that an event asks for. */
  async set(): Promise<void> {
    if (this.#needed === Infinity) return;
    this.#at ??= (await this.#storage.getAlarm()) ?? Infinity;
    const needed = this.#needed;
    this.#needed = Infinity;
    if (needed >= this.#at) return;
    this.#at = needed;
    await this.#storage.setAlarm(needed);
  }

  /** It rings in this moment, and is not set any more. */
  rang(): void {
    this.#at = Infinity;
  }
}
