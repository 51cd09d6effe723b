/**
 * What an isolate remembers, in front of the bucket: an LRU cache bounded by bytes. In the isolate's
 * own memory, since that is faster than the Cache API.
 *
 * An isolate has 128 MB for everything. All memories together take about 89 MB at most (each names
 * its own budget); composing needs the rest.
 *
 * Only values are remembered, never promises: a promise belongs to the request that made it, and
 * whoever else waits for it hangs when that request is cancelled.
 */
import { LRUCache } from "lru-cache";

/** What an entry takes beside its key and its value, bytes, roughly. */
const ENTRY_BYTES = 100;

/**
 * `budget`: most bytes of keys and values together; `bytesOf`: what a value takes, roughly. A value
 * larger than the budget is not remembered. `ttl`: for how long a value is, milliseconds; until others
 * need its place when left out.
 */
export function memory<Value extends object>(
  budget: number,
  bytesOf: (value: Value) => number,
  ttl?: number,
): LRUCache<string, Value> {
  return new LRUCache({
    maxSize: budget,
    // Else it would remember the time, until a timer of a request that may be over by then.
    ...(ttl === undefined ? {} : { ttl, ttlResolution: 0 }),
    // A string takes one or two bytes a character.
    sizeCalculation: (value, key) => bytesOf(value) + key.length * 2 + ENTRY_BYTES,
  });
}
