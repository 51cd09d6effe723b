/**
 * An isolate's cache of records. Operators may withdraw records, so an entry is used for KEPT_MS at
 * most; one that is in use is refreshed in the background, so that no request waits for it:
 *
 *   0 s    read from the bucket
 *   10 s   used, and refreshed in the background; dropped when the object is gone
 *   30 s   expired, when it was not used in between: the next request reads the bucket. While that
 *          does not answer, nothing can be withdrawn either, and the expired entry is used
 *
 * The age of an entry counts from the read of the bucket, also when it came through the Cache API
 * (cache.ts). A record that is derived from others is as old as the oldest of them (records.ts).
 * Manifests derived from records are cached for DERIVED_MS, and responses for as long again: a
 * withdrawn record is served for a minute at most.
 */
import { note } from "../log.ts";
import type { WaitUntil } from "./bucket.ts";
import { type Memory, memory } from "./memory.ts";

/** How long an entry is used, milliseconds. */
export const KEPT_MS = 30_000;
/** The age from which an entry is refreshed in the background, milliseconds. */
export const REFRESH_MS = 10_000;
/** How long what is derived from records is cached, milliseconds. */
export const DERIVED_MS = 15_000;
/** How long a withdrawn record may still be served, milliseconds. */
export const WITHDRAWN_MS = KEPT_MS + 2 * DERIVED_MS;
/**
 * The next refresh of the same entry may start after this, ms: the runtime may drop background
 * work.
 */
const AGAIN_MS = 5_000;

export interface Asked<Value> {
  readonly value: Value;
  /** When it was read from the bucket, milliseconds since 1970. */
  readonly askedAt: number;
}

interface Entry<Value> extends Asked<Value> {
  /** When it may be refreshed in the background. */
  refreshAt: number;
}

/** How long a value is used, and the age from which it is refreshed, milliseconds. */
export interface Lifetime {
  readonly kept: number;
  readonly refresh: number;
}
const RECORDS: Lifetime = { kept: KEPT_MS, refresh: REFRESH_MS };

export class FreshMemory<Value extends object> {
  readonly #entries: Memory<Entry<Value>>;
  readonly #lifetime: Lifetime;

  /** `budget` and `bytesOf` as in `memory`. */
  constructor(budget: number, bytesOf: (value: Value) => number, lifetime = RECORDS) {
    this.#lifetime = lifetime;
    this.#entries = memory(budget, ({ value }: Entry<Value>) => bytesOf(value));
  }

  /**
   * The value, unless it has expired. `refresh` reads it from the bucket, null when it is gone; it
   * is called where there is a `background` to run it in.
   */
  get(
    key: string,
    background: WaitUntil | undefined,
    refresh: () => Promise<Asked<Value> | null>,
  ): Asked<Value> | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    const now = Date.now();
    if (now >= entry.askedAt + this.#lifetime.kept) return undefined;
    if (background !== undefined && now >= entry.refreshAt) {
      entry.refreshAt = now + AGAIN_MS;
      background(this.#refresh(key, refresh));
    }
    return entry;
  }

  /**
   * The result of `read`, which is cached, or null. When `read` throws: the last value known,
   * however old, else the error.
   */
  async read(key: string, read: () => Promise<Asked<Value> | null>): Promise<Asked<Value> | null> {
    let found: Asked<Value> | null;
    try {
      found = await read();
    } catch (error) {
      const last = this.#entries.get(key);
      if (last === undefined) throw error;
      note("warn", "memory.old", { key, error: String(error) });
      return last;
    }
    if (found === null) this.#entries.delete(key);
    else this.set(key, found);
    return found;
  }

  set(key: string, { value, askedAt }: Asked<Value>): void {
    this.#entries.set(key, { value, askedAt, refreshAt: askedAt + this.#lifetime.refresh });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  async #refresh(key: string, refresh: () => Promise<Asked<Value> | null>): Promise<void> {
    await this.read(key, refresh);
  }
}
