/**
 * The Farm object's alarm. An object has only one, which everything that must happen at some time
 * shares: it rings at the earliest of these times, and each user then checks whether its time has
 * come. Ringing too early does no harm, so the alarm is only ever moved to an earlier time.
 */
export class Alarm {
  readonly #storage: DurableObjectStorage;
  /** The earliest time requested since `set`, ms since 1970. */
  #needed = Infinity;
  /** When it rings; Infinity: never; undefined: not read yet, after a restart. */
  #at: number | undefined;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Has it ring at this time at the latest, ms since 1970. `set` must be called afterwards. */
  by(at: number): void {
    this.#needed = Math.min(this.#needed, at);
  }

  /** Stores the earliest requested time: once for everything that an event requests. */
  async set(): Promise<void> {
    if (this.#needed === Infinity) return;
    this.#at ??= (await this.#storage.getAlarm()) ?? Infinity;
    const needed = this.#needed;
    this.#needed = Infinity;
    if (needed >= this.#at) return;
    this.#at = needed;
    await this.#storage.setAlarm(needed);
  }

  /** It is ringing now, and no longer set. */
  rang(): void {
    this.#at = Infinity;
  }
}
