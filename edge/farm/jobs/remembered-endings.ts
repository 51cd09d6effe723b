/**
 * How items ended lately, in the Farm object's SQLite: for requests that come soon after. How long
 * each is remembered: builds/ending-memory.ts.
 */
import type { Item } from "../../contract/items.ts";
import type { Descriptor } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { type Ending, itemKey, namesOneOf, type Outcome } from "../builds/answer.ts";
import { memoryOf } from "../builds/ending-memory.ts";
import { standing } from "../builds/standing.ts";
import { MAX_ENDINGS } from "../limits.ts";

/** Endings beyond MAX_ENDINGS are deleted this many at a time. */
const FORGOTTEN_AT_ONCE = 100;
/** Endings are deleted this long after they expire, ms, so that one alarm deletes several. */
const FORGET_LATER = 30_000;

export class RememberedEndings {
  readonly #sql: SqlStorage;
  /** How many there are, or a few more. */
  #count: number;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS endings (
        key TEXT PRIMARY KEY, ending TEXT NOT NULL, until INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS endings_by_until ON endings (until);
    `);
    this.#count = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM endings").one().n;
  }

  /** Sorts items into those whose ending is remembered and the others. */
  look(
    items: readonly Item[],
    now: number,
  ): { readonly known: Map<string, Ending>; readonly open: readonly Item[] } {
    const known = new Map<string, Ending>();
    const open = items.filter((item) => {
      const key = itemKey(item);
      const ending = this.#ending(key, now);
      if (ending !== undefined) known.set(key, ending);
      return ending === undefined;
    });
    return { known, open };
  }

  #ending(key: string, now: number): Ending | undefined {
    const [row] = this.#sql
      .exec<{ ending: string }>("SELECT ending FROM endings WHERE key = ? AND until > ?", key, now)
      .toArray();
    return row && (JSON.parse(row.ending) as Outcome);
  }

  /** Remembers for `ms` how an item ended. */
  remember(key: string, ending: Ending, now: number, ms = memoryOf(ending)): void {
    if (ms === 0) return;
    this.#sql.exec(
      "INSERT OR REPLACE INTO endings (key, ending, until) VALUES (?, ?, ?)",
      key,
      JSON.stringify(ending),
      now + ms,
    );
    this.#count += 1;
    if (this.#count > MAX_ENDINGS + FORGOTTEN_AT_ONCE) this.#forgetOldest();
  }

  #forgetOldest(): void {
    this.#sql.exec(
      "DELETE FROM endings WHERE key IN (SELECT key FROM endings ORDER BY until LIMIT ?)",
      this.#count - MAX_ENDINGS,
    );
    this.#count = MAX_ENDINGS;
  }

  /** Forgets expired endings. Returns when to check again, null when none is left. */
  forgetExpired(now: number): number | null {
    if (this.#count === 0) return null;
    this.#sql.exec("DELETE FROM endings WHERE until <= ?", now);
    const { n, first } = this.#sql
      .exec<{ n: number; first: number | null }>(
        "SELECT count(*) AS n, min(until) AS first FROM endings",
      )
      .one();
    this.#count = n;
    return first === null ? null : first + FORGET_LATER;
  }

  /** Forgets every ending: the next request has the items made, or found, again. */
  forgetAll(): void {
    this.#sql.exec("DELETE FROM endings");
    this.#count = 0;
  }

  /** Forgets the endings of items that were published but have lost one of these blobs since. */
  forgetLost(items: readonly Item[], lost: readonly Descriptor[], now: number): void {
    if (lost.length === 0) return;
    for (const [key, ending] of this.look(items, now).known)
      if (namesOneOf(ending, lost)) this.#forget(key);
  }

  /** Forgets the endings of items whose records were withdrawn since. */
  async forgetWithdrawn(items: readonly Item[], bucket: Bucket, now: number): Promise<void> {
    const { known } = this.look(items, now);
    const remembered = items.flatMap((item) => {
      const ending = known.get(itemKey(item));
      return ending === undefined ? [] : [{ item, ending }];
    });
    for (const [key, current] of await standing(bucket, remembered))
      if (current === null) this.#forget(key);
      else
        this.#sql.exec("UPDATE endings SET ending = ? WHERE key = ?", JSON.stringify(current), key);
  }

  #forget(key: string): void {
    this.#sql.exec("DELETE FROM endings WHERE key = ?", key);
  }
}
