/**
 * What an isolate remembers, bounded by bytes. It stands in front of the bucket: a Map in the
 * isolate is faster than the Cache API, in production too.
 *
 * Two generations stand in for exact least-recently-used order: new and used entries are in the
 * young one; when that holds half of the budget it becomes the old one, and the old one is dropped.
 * So a hit costs one look-up, where exact order would cost a deletion and an insertion.
 *
 * An isolate has 128 MB for everything. All memories together take about 55 MB at most (each names
 * its own budget); composing needs the rest.
 *
 * Only values are remembered, never promises: a promise belongs to the request that made it, and
 * whoever else waits for it hangs when that request is cancelled.
 */
export class Memory<Value> {
  readonly #half: number;
  #young = new Map<string, Entry<Value>>();
  #old = new Map<string, Entry<Value>>();
  #bytes = 0;

  /** `budget`: most bytes of keys and values together, as told by `set`. */
  constructor(budget: number) {
    this.#half = budget / 2;
  }

  get(key: string): Value | undefined {
    const entry = this.#young.get(key);
    if (entry !== undefined) return entry.value;
    const aged = this.#old.get(key);
    if (aged === undefined) return undefined;
    this.#old.delete(key);
    this.#add(key, aged);
    return aged.value;
  }

  /**
   * `bytes`: what the value takes, roughly. A value that takes more than half of the budget is not
   * remembered.
   */
  set(key: string, value: Value, bytes: number): void {
    this.delete(key);
    const entry = { value, bytes: bytes + key.length * 2 + OVERHEAD_BYTES };
    if (entry.bytes <= this.#half) this.#add(key, entry);
  }

  delete(key: string): void {
    this.#bytes -= this.#young.get(key)?.bytes ?? 0;
    this.#young.delete(key);
    this.#old.delete(key);
  }

  #add(key: string, entry: Entry<Value>): void {
    if (this.#bytes + entry.bytes > this.#half) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#bytes = 0;
    }
    this.#young.set(key, entry);
    this.#bytes += entry.bytes;
  }
}

interface Entry<Value> {
  readonly value: Value;
  readonly bytes: number;
}

/** What a Map's entry and the objects around a value take, roughly. */
const OVERHEAD_BYTES = 100;
