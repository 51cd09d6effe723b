/**
 * Caches in the memory of an isolate, bounded by bytes: faster than the Cache API, and lost with
 * the isolate. Each has a budget of its own, so that a flood of one kind drives out only what is of
 * that kind; and all of them together have CACHES_BYTES. When that is used up, the entry goes that
 * was used least recently, whichever cache it is in.
 *
 * An isolate has 128 MB for everything:
 *
 *   32 MB   images that are being composed, and 24 MB for those that wait (composing.ts)
 *   16 MB   documents that are being made, and 8 MB for those that wait (referrers/derive.ts)
 *   34 MB   all caches: CACHES_BYTES as they are counted here, 1.4 times that as measured
 *   14 MB   the Worker's code, counts of clients (access/limits.ts), requests at hand
 *
 * Measured by the inspector, everything at once: 71 MB at the most after collecting garbage, 127 MB
 * with the garbage of a heap without a limit (test/bench/README.md, "One isolate, full").
 *
 * Cache values, never promises. A promise belongs to the request that created it: other requests
 * that await it hang when that request is cancelled.
 */
import { LRUCache } from "lru-cache";

/** What all caches of an isolate hold together, bytes. */
export const CACHES_BYTES = 24 * 2 ** 20;

/**
 * What an entry takes beside its key and value, bytes, as measured: its places in the LRU and its
 * map, and the objects around the value.
 */
const ENTRY_BYTES = 400;

interface Entry<Value> {
  readonly value: Value;
  /** Until when it is used, milliseconds since 1970. */
  readonly until: number;
  /** When it was used last, by `uses`. */
  usedAt: number;
}

/** Counts uses of any cache's entries: the order in which they were used. */
let uses = 0;
const caches: Pick<Memory<object>, "bytes" | "oldest" | "dropOldest">[] = [];

export class Memory<Value extends object> {
  readonly #entries: LRUCache<string, Entry<Value>>;
  readonly #ttl: number;

  constructor(budget: number, bytesOf: (value: Value) => number, ttl: number) {
    this.#ttl = ttl;
    this.#entries = new LRUCache({
      maxSize: budget,
      // A string takes one or two bytes a character.
      sizeCalculation: ({ value }, key) => bytesOf(value) + key.length * 2 + ENTRY_BYTES,
    });
    caches.push(this);
  }

  /** What its entries take, bytes. */
  get bytes(): number {
    return this.#entries.calculatedSize;
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    if (Date.now() >= entry.until) {
      this.#entries.delete(key);
      return undefined;
    }
    entry.usedAt = ++uses;
    return entry.value;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(key: string, value: Value): void {
    this.#entries.set(key, { value, until: Date.now() + this.#ttl, usedAt: ++uses });
    makeRoom();
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys();
  }

  /** When the entry was used that was used least recently; Infinity when there is none. */
  get oldest(): number {
    return this.#entries.rvalues().next().value?.usedAt ?? Infinity;
  }

  /** Drops that entry. */
  dropOldest(): void {
    this.#entries.pop();
  }
}

/** What all caches hold now, bytes. */
export const cachedBytes = (): number => caches.reduce((sum, { bytes }) => sum + bytes, 0);

function makeRoom(): void {
  while (cachedBytes() > CACHES_BYTES) {
    const ages = caches.map(({ oldest }) => oldest);
    caches[ages.indexOf(Math.min(...ages))]?.dropOldest();
  }
}

/**
 * `budget`: most bytes of keys and values together. `bytesOf`: the rough size of a value. A value
 * larger than the budget is not cached. `ttl`: how long a value is cached, milliseconds; until it
 * is evicted when left out. To be called once for each cache, when its module is loaded: a cache
 * is never freed.
 */
export const memory = <Value extends object>(
  budget: number,
  bytesOf: (value: Value) => number,
  ttl = Infinity,
): Memory<Value> => new Memory(budget, bytesOf, ttl);
