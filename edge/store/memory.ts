/**
 * LRU caches in the memory of an isolate, bounded by bytes: faster than the Cache API, and lost
 * with the isolate.
 *
 * An isolate has 128 MB for everything. The budgets of all caches add up to about 105 MB, and no
 * isolate fills all of them: those of names, closures and referrers belong to requests that few
 * clients make. Composing needs the rest.
 *
 * Cache values, never promises. A promise belongs to the request that created it: other requests
 * that await it hang when that request is cancelled.
 */
import { LRUCache } from "lru-cache";

/** Overhead of an entry beside its key and value, bytes, roughly. */
const ENTRY_BYTES = 100;

/**
 * `budget`: most bytes of keys and values together. `bytesOf`: the rough size of a value. A value
 * larger than the budget is not cached. `ttl`: how long a value is cached, milliseconds; until it
 * is evicted when left out.
 */
export function memory<Value extends object>(
  budget: number,
  bytesOf: (value: Value) => number,
  ttl?: number,
): LRUCache<string, Value> {
  return new LRUCache({
    maxSize: budget,
    // Else it would cache the time until a timer fires, whose request may have ended by then.
    ...(ttl === undefined ? {} : { ttl, ttlResolution: 0 }),
    // A string takes one or two bytes a character.
    sizeCalculation: (value, key) => bytesOf(value) + key.length * 2 + ENTRY_BYTES,
  });
}
