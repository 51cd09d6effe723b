/**
 * The state of the Housekeeping object, in its SQLite. Keys are those of objects in the bucket;
 * marks also have keys for pins and revisions.
 */
import type { GcProgress } from "../contract/housekeeping.ts";
import { listsOf } from "./key-lists.ts";

/** A run, and how far it is. */
export interface Run extends Omit<GcProgress, "since" | "at" | "waitMs"> {
  /** Index of the phase (phases.ts), and the last of its keys that was processed. */
  readonly phase: number;
  readonly after?: string | undefined;
  /** No step before this, milliseconds since 1970. */
  readonly notBefore: number;
  /** When the last step ended. */
  readonly steppedAt: number;
}

/** Queries take a list as one parameter: SQLite in Durable Objects allows a hundred parameters. */
const KEYS = "(SELECT value FROM json_each(?))";

export class Tables {
  readonly #storage: DurableObjectStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#run(`
      CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      -- By image (contract/housekeeping.ts): the last day on which it was pulled.
      CREATE TABLE IF NOT EXISTS pulls (image TEXT PRIMARY KEY, day INTEGER NOT NULL) WITHOUT ROWID;
      -- What is named, by an object in use (live) or by another that remains. Of one run.
      CREATE TABLE IF NOT EXISTS marks (key TEXT PRIMARY KEY, live INTEGER NOT NULL) WITHOUT ROWID;
      -- What is not in use, and since when that is known.
      CREATE TABLE IF NOT EXISTS condemned (
        key TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;
      -- What a run has decided to delete, until that is done.
      CREATE TABLE IF NOT EXISTS deleting (key TEXT PRIMARY KEY) WITHOUT ROWID;
      -- What was deleted lately.
      CREATE TABLE IF NOT EXISTS gone (key TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
      -- Image records that this run has deleted, in case somebody was just pulling one.
      CREATE TABLE IF NOT EXISTS trash (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
    `);
    this.#run("INSERT OR IGNORE INTO facts VALUES ('since', ?)", String(Date.now()));
  }

  #run(sql: string, ...values: (string | number)[]): void {
    this.#storage.sql.exec(sql, ...values);
  }

  #all<T extends Record<string, SqlStorageValue>>(
    sql: string,
    ...values: (string | number)[]
  ): T[] {
    return this.#storage.sql.exec<T>(sql, ...values).toArray();
  }

  transaction<T>(work: () => T): T {
    return this.#storage.transactionSync(work);
  }

  /** Since when pulls have been recorded, milliseconds since 1970. */
  get since(): number {
    return Number(this.#fact("since"));
  }

  get run(): Run | undefined {
    const text = this.#fact("run");
    return text === undefined ? undefined : (JSON.parse(text) as Run);
  }

  set run(run: Run) {
    this.#run("INSERT OR REPLACE INTO facts VALUES ('run', ?)", JSON.stringify(run));
  }

  #fact(name: string): string | undefined {
    return this.#all<{ value: string }>("SELECT value FROM facts WHERE name = ?", name)[0]?.value;
  }

  /**
   * Forgets marks, deleted images and pending deletions of an earlier run. The next run decides on
   * those anew, since nobody can restore the earlier run's images any more.
   */
  clearRun(): void {
    for (const table of ["marks", "trash", "deleting"]) this.#run(`DELETE FROM ${table}`);
  }

  notePulls(images: readonly string[], day: number): void {
    for (const list of listsOf(images))
      this.#run(
        `INSERT INTO pulls SELECT value, ?2 FROM json_each(?1) WHERE true
         ON CONFLICT (image) DO UPDATE SET day = excluded.day WHERE excluded.day > day`,
        list,
        day,
      );
  }

  /** The last day on which any of these was pulled. */
  lastPull(images: readonly string[]): number | undefined {
    const [row] = this.#all<{ day: number | null }>(
      `SELECT max(day) AS day FROM pulls WHERE image IN ${KEYS}`,
      JSON.stringify(images),
    );
    return row?.day ?? undefined;
  }

  forgetPulls(beforeDay: number): void {
    this.#run("DELETE FROM pulls WHERE day < ?", beforeDay);
  }

  mark(keys: readonly string[], live: boolean): void {
    for (const list of listsOf(keys))
      this.#run(
        `INSERT INTO marks SELECT value, ?2 FROM json_each(?1) WHERE true
         ON CONFLICT (key) DO UPDATE SET live = 1 WHERE excluded.live > live`,
        list,
        live ? 1 : 0,
      );
  }

  markOf(key: string): "live" | "held" | undefined {
    const [row] = this.#all<{ live: number }>("SELECT live FROM marks WHERE key = ?", key);
    return row === undefined ? undefined : row.live === 1 ? "live" : "held";
  }

  condemnedAt(key: string): number | undefined {
    return this.#all<{ since: number }>("SELECT since FROM condemned WHERE key = ?", key)[0]?.since;
  }

  /** Keys that are already condemned keep their time. */
  condemn(keys: readonly string[], now: number): void {
    for (const list of listsOf(keys))
      this.#run("INSERT OR IGNORE INTO condemned SELECT value, ?2 FROM json_each(?1)", list, now);
  }

  forgetCondemned(before: number): void {
    this.#run("DELETE FROM condemned WHERE since < ?", before);
  }

  /** The keys are no longer condemned, and those that are not deleted yet stay. */
  reprieve(keys: readonly string[]): void {
    for (const list of listsOf(keys))
      for (const table of ["condemned", "deleting"])
        this.#run(`DELETE FROM ${table} WHERE key IN ${KEYS}`, list);
  }

  /** From now on the keys count as deleted. */
  noteGone(keys: readonly string[], now: number): void {
    for (const list of listsOf(keys)) {
      this.#run(`DELETE FROM condemned WHERE key IN ${KEYS}`, list);
      this.#run("INSERT OR REPLACE INTO deleting SELECT value FROM json_each(?)", list);
      this.#run("INSERT OR REPLACE INTO gone SELECT value, ?2 FROM json_each(?1)", list, now);
    }
  }

  /** At most `most` keys that were to be deleted and are not known to be. */
  undeleted(most: number): string[] {
    const rows = this.#all<{ key: string }>("SELECT key FROM deleting LIMIT ?", most);
    return rows.map(({ key }) => key);
  }

  noteDeleted(keys: readonly string[]): void {
    for (const list of listsOf(keys)) this.#run(`DELETE FROM deleting WHERE key IN ${KEYS}`, list);
  }

  /** Those of the keys that were deleted after `since`. */
  gone(keys: readonly string[], since: number): string[] {
    return listsOf(keys).flatMap((list) =>
      this.#all<{ key: string }>(
        `SELECT key FROM gone WHERE at > ?2 AND key IN (SELECT value FROM json_each(?1))`,
        list,
        since,
      ).map(({ key }) => key),
    );
  }

  forgetGone(before: number): void {
    this.#run("DELETE FROM gone WHERE at < ?", before);
  }

  /** Keeps the record of an image that the run deletes (restore-images.ts). */
  keepDeletedImage(key: string, body: string): void {
    this.#run("INSERT OR REPLACE INTO trash VALUES (?, ?)", key, body);
  }

  /** The deleted image records of a name whose paths contain `part`. */
  deletedImages(nameKey: string, part: string): { key: string; body: string }[] {
    return this.#all<{ key: string; body: string }>(
      "SELECT key, body FROM trash WHERE instr(key, ?) > 0 AND instr(key, ?) > 0",
      `/${nameKey}/`,
      part,
    );
  }

  /** Call it when the image's record is in the bucket again. */
  forgetDeletedImage(key: string): void {
    this.#run("DELETE FROM trash WHERE key = ?", key);
  }
}
