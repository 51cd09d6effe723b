/**
 * What an isolate remembers of records: they may be withdrawn. None outlives its object by more than
 * KEPT_MS, and what is asked for again and again is always there:
 *
 *   0 s    read from the bucket
 *   10 s   given, and read again behind the answer; gone by then: it is forgotten
 *   30 s   not given any more, when nobody asked for it in between: read first; while the bucket does
 *          not answer (then nothing can be withdrawn either) what was seen last is given
 *
 * An age counts from when the bucket itself was asked, also for what came from a copy (cache.ts), and
 * for a record that was made of others, from when it was asked for the oldest of them (records.ts).
 * What is made of records is remembered for DERIVED_MS, and the answers with it for as long again: a
 * minute in all.
 */
import type { LRUCache } from "lru-cache";
import { note } from "../log.ts";
import type { WaitUntil } from "./bucket.ts";
import { memory } from "./memory.ts";

/** Longest life of a record that was withdrawn meanwhile, milliseconds. */
export const KEPT_MS = 30_000;
/** From this age on it is read again behind the answer, milliseconds. */
export const REFRESH_MS = 10_000;
/** How long what is made of records is remembered, milliseconds. */
export const DERIVED_MS = 15_000;
/** After this nothing that was withdrawn is answered any more, milliseconds. */
export const WITHDRAWN_MS = KEPT_MS + 2 * DERIVED_MS;
/** One such reading at a time; the next after this, milliseconds: work behind an answer may get lost. */
const AGAIN_MS = 5_000;

export interface Asked<Value> {
  readonly value: Value;
  /** When the bucket was asked for it, milliseconds since 1970. */
  readonly askedAt: number;
}

interface Entry<Value> extends Asked<Value> {
  /** When it may be read again behind an answer. */
  refreshAt: number;
}

/** For how long a value is given, and from which age on it is read again, milliseconds. */
export interface Lifetime {
  readonly kept: number;
  readonly refresh: number;
}
const RECORDS: Lifetime = { kept: KEPT_MS, refresh: REFRESH_MS };

export class FreshMemory<Value extends object> {
  readonly #entries: LRUCache<string, Entry<Value>>;
  readonly #lifetime: Lifetime;

  /** `budget` and `bytesOf` as those of `memory`. */
  constructor(budget: number, bytesOf: (value: Value) => number, lifetime = RECORDS) {
    this.#lifetime = lifetime;
    this.#entries = memory(budget, ({ value }: Entry<Value>) => bytesOf(value));
  }

  /**
   * The value, unless it is too old. `refresh` reads it anew, null when it is gone; it runs behind
   * the answer where there is a `background`.
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
   * What `read` says, which is remembered, or null. When it throws, what was seen last, if anything;
   * else its error.
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
