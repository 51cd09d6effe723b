/**
 * Results that wait until origins of other owners have made the same, in the Farm object's SQLite.
 */
import type { Item } from "../../contract/items.ts";
import { agreeing, type Candidate, tellDifference } from "./agreement.ts";
import { itemKey } from "../builds/answer.ts";
import type { Trust } from "./trust.ts";

/** How long a result waits for another origin's, milliseconds. */
const CANDIDATE_MS = 24 * 3_600_000;
/** The same for a tag's revision, which changes by itself. */
const REVISION_MS = 10 * 60_000;
/** Most that wait; the oldest are dropped. */
const MAX_CANDIDATES = 5_000;

export class Candidates {
  readonly #sql: SqlStorage;
  readonly #trust: Pick<Trust, "keyOf">;

  constructor(sql: SqlStorage, trust: Pick<Trust, "keyOf">) {
    this.#sql = sql;
    this.#trust = trust;
    sql.exec(`
      CREATE TABLE IF NOT EXISTS candidates (
        item TEXT NOT NULL, owner TEXT NOT NULL, origin TEXT NOT NULL, data TEXT NOT NULL,
        until INTEGER NOT NULL, PRIMARY KEY (item, owner)) WITHOUT ROWID;
    `);
  }

  /**
   * Compares what an origin made of an item with what others made. Returns all that agree once they
   * are enough; null before that, and then it is kept. Candidates signed with a key that is no
   * longer valid do not count. Differences are logged.
   */
  add(item: Item, candidate: Candidate, agree: number, now: number): Candidate[] | null {
    const key = itemKey(item);
    this.#sql.exec("DELETE FROM candidates WHERE until <= ?", now);
    const others = this.#sql
      .exec<{ data: string }>("SELECT data FROM candidates WHERE item = ? ORDER BY until", key)
      .toArray()
      .map(({ data }) => JSON.parse(data) as Candidate)
      .filter(({ owner }) => owner !== candidate.owner)
      .filter(({ origin, key: signedBy }) => this.#trust.keyOf(origin) === signedBy);
    for (const other of others) tellDifference(item, other, candidate);
    const agreed = agreeing(others, candidate, agree);
    if (agreed === null) this.#keep(key, candidate, now);
    return agreed;
  }

  /** The item's outcome is in the bucket. Before that, candidates may be needed again. */
  forgetItem(item: Item): void {
    this.#sql.exec("DELETE FROM candidates WHERE item = ?", itemKey(item));
  }

  /** Drops the candidates of a revoked origin. */
  forgetOrigin(origin: string): void {
    this.#sql.exec("DELETE FROM candidates WHERE origin = ?", origin);
  }

  #keep(key: string, candidate: Candidate, now: number): void {
    const ms = candidate.result.kind === "revision" ? REVISION_MS : CANDIDATE_MS;
    this.#sql.exec(
      "INSERT OR REPLACE INTO candidates (item, owner, origin, data, until) VALUES (?, ?, ?, ?, ?)",
      key,
      candidate.owner,
      candidate.origin,
      JSON.stringify(candidate),
      now + ms,
    );
    this.#sql.exec(
      "DELETE FROM candidates WHERE (item, owner) IN (SELECT item, owner FROM candidates " +
        "ORDER BY until DESC LIMIT -1 OFFSET ?)",
      MAX_CANDIDATES,
    );
  }
}
