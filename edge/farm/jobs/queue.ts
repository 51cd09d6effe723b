/**
 * The farm's queue: the schedule's state, and its copy in the Farm object's SQLite, so that
 * hibernation, eviction and deploys lose nothing.
 *
 *   entries   one row per item that is wanted and has not ended
 *   jobs      one row per job, written once; whether it was accepted is a column of its own
 *   endings   how items ended lately, for requests that come soon after
 *
 * While the object lives, the state in memory is used. `save` writes what changed since the last
 * call, in the same event, and the constructor reads everything: 10,000 items in a tenth of a
 * second. How long an item is still wanted is not stored: after a restart that time starts again.
 */
import type { Item } from "../../contract/items.ts";
import type { Descriptor } from "../../contract/records.ts";
import { type Ending, itemKey, namesOneOf, type Outcome } from "../builds/answer.ts";
import { MAX_ENDINGS, type Times } from "../limits.ts";
import { memoryOf } from "../builds/ending-memory.ts";
import { standing } from "../builds/standing.ts";
import type { Bucket } from "../../store/bucket.ts";
import { wantedFor } from "../schedule/state.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { type Entry, type Job as Lease, type Want, wantKey } from "../schedule/state.ts";

/** A job as the rest of the farm sees it. */
export interface Job {
  readonly id: string;
  readonly items: readonly Item[];
  /** The origin that holds it; undefined when its lease is over. */
  readonly holder: { readonly origin: string } | undefined;
  /** The origin to which it was given. */
  readonly origin: string;
}

type Row = Record<string, SqlStorageValue> & { readonly key: string; readonly data: string };
type JobRow = Row & { readonly accepted: number };

export class Queue {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;
  readonly #schedule: Schedule;
  /** Items of jobs, including those that have ended. */
  readonly #items = new Map<string, readonly Item[]>();
  #endings: number;

  constructor(storage: DurableObjectStorage, schedule: Schedule, times: Times, now: number) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#schedule = schedule;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS entries (key TEXT PRIMARY KEY, data TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS jobs (
        key TEXT PRIMARY KEY, data TEXT NOT NULL, accepted INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS endings (
        key TEXT PRIMARY KEY, ending TEXT NOT NULL, until INTEGER NOT NULL);
      CREATE INDEX IF NOT EXISTS endings_by_until ON endings (until);
    `);
    this.#endings = this.#sql.exec<{ n: number }>("SELECT count(*) AS n FROM endings").one().n;
    this.#load(times, now);
  }

  #load(times: Times, now: number): void {
    const { backlog } = this.#schedule;
    const entries = this.#sql.exec<Row>("SELECT * FROM entries").toArray();
    for (const entry of entries
      .map((row) => entryOf(row, times, now))
      .sort((a, b) => a.queuedAt - b.queuedAt))
      backlog.add(entry);
    backlog.changed.clear();
    for (const { data, accepted } of this.#sql.exec<JobRow>("SELECT * FROM jobs").toArray()) {
      const { items, ...lease } = JSON.parse(data) as Lease & { items: Item[] };
      this.#schedule.load({ ...lease, accepted: accepted === 1 });
      this.#items.set(lease.id, items);
    }
  }

  /** Sorts items into those whose ending is remembered and the others. */
  look(
    items: readonly Item[],
    now: number,
  ): { readonly known: Map<string, Ending>; readonly open: readonly Item[] } {
    const known = new Map<string, Ending>();
    const open = items.filter((item) => {
      const key = itemKey(item);
      const ending = this.#schedule.backlog.entries.has(key) ? undefined : this.#ending(key, now);
      if (ending !== undefined) known.set(key, ending);
      return ending === undefined;
    });
    return { known, open };
  }

  #ending(key: string, now: number): Ending | undefined {
    if (this.#endings === 0) return undefined;
    const [row] = this.#sql
      .exec<{ ending: string }>("SELECT ending FROM endings WHERE key = ? AND until > ?", key, now)
      .toArray();
    return row && (JSON.parse(row.ending) as Outcome);
  }

  /** The job begins: its items are stored with it. */
  begin(lease: Lease): Item[] {
    const items = this.#schedule.open(lease).map(({ item }) => item);
    this.#items.set(lease.id, items);
    return items;
  }

  job(id: string): Job | undefined {
    const lease = this.#schedule.jobs.get(id);
    const items = this.#items.get(id);
    if (lease === undefined || items === undefined) return undefined;
    const { origin, lostAt } = lease;
    return { id, items, origin, holder: lostAt === null ? { origin } : undefined };
  }

  accept(id: string, origin: string): void {
    const lease = this.#schedule.jobs.get(id);
    if (lease === undefined || lease.origin !== origin || lease.accepted) return;
    lease.accepted = true;
    this.#sql.exec("UPDATE jobs SET accepted = 1 WHERE key = ?", id);
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
    this.#endings += 1;
    if (this.#endings > MAX_ENDINGS + FORGOTTEN_AT_ONCE) this.#forgetOldest();
  }

  /** Forgets expired endings. Returns when to check again, null when none is left. */
  forget(now: number): number | null {
    if (this.#endings === 0) return null;
    this.#sql.exec("DELETE FROM endings WHERE until <= ?", now);
    const { n, first } = this.#sql
      .exec<{ n: number; first: number | null }>(
        "SELECT count(*) AS n, min(until) AS first FROM endings",
      )
      .one();
    this.#endings = n;
    return first === null ? null : first + FORGET_LATER;
  }

  /** Forgets every ending: the next request has the items made, or found, again. */
  forgetEndings(): void {
    this.#sql.exec("DELETE FROM endings");
    this.#endings = 0;
  }

  /** Forgets the endings of items that were published but have lost one of these blobs since. */
  forgetLost(items: readonly Item[], lost: readonly Descriptor[], now: number): void {
    if (lost.length === 0) return;
    for (const [key, ending] of this.look(items, now).known)
      if (namesOneOf(ending, lost)) this.#sql.exec("DELETE FROM endings WHERE key = ?", key);
  }

  /** Forgets the endings of items whose records were withdrawn since. */
  async forgetWithdrawn(items: readonly Item[], bucket: Bucket, now: number): Promise<void> {
    const { known } = this.look(items, now);
    const remembered = items.flatMap((item) => {
      const ending = known.get(itemKey(item));
      return ending === undefined ? [] : [{ item, ending }];
    });
    for (const [key, current] of await standing(bucket, remembered))
      if (current === null) this.#sql.exec("DELETE FROM endings WHERE key = ?", key);
      else
        this.#sql.exec("UPDATE endings SET ending = ? WHERE key = ?", JSON.stringify(current), key);
  }

  #forgetOldest(): void {
    this.#sql.exec(
      "DELETE FROM endings WHERE key IN (SELECT key FROM endings ORDER BY until LIMIT ?)",
      this.#endings - MAX_ENDINGS,
    );
    this.#endings = MAX_ENDINGS;
  }

  /** Writes what has changed. */
  save(): void {
    const { backlog, jobs, changedJobs } = this.#schedule;
    if (backlog.changed.size + changedJobs.size === 0) return;
    this.#storage.transactionSync(() => {
      for (const key of backlog.changed) {
        const entry = backlog.entries.get(key);
        if (entry === undefined) this.#sql.exec("DELETE FROM entries WHERE key = ?", key);
        else
          this.#sql.exec(
            "INSERT OR REPLACE INTO entries (key, data) VALUES (?, ?)",
            key,
            JSON.stringify(rowOf(entry)),
          );
      }
      for (const id of changedJobs) this.#saveJob(id, jobs.get(id));
    });
    backlog.changed.clear();
    changedJobs.clear();
  }

  #saveJob(id: string, lease: Lease | undefined): void {
    if (lease === undefined) {
      this.#items.delete(id);
      this.#sql.exec("DELETE FROM jobs WHERE key = ?", id);
    } else
      this.#sql.exec(
        "INSERT OR REPLACE INTO jobs (key, data, accepted) VALUES (?, ?, ?)",
        id,
        JSON.stringify({ ...lease, items: this.#items.get(id) ?? [] }),
        lease.accepted ? 1 : 0,
      );
  }
}

/** Endings beyond MAX_ENDINGS are deleted this many at a time. */
const FORGOTTEN_AT_ONCE = 100;
/** Endings are deleted this long after they expire, ms, so that one alarm deletes several. */
const FORGET_LATER = 30_000;

/** An entry as JSON; its key is the row's. */
const rowOf = (entry: Omit<Entry, "key">) => ({
  ...entry,
  key: undefined,
  wants: Array.from(entry.wants.values(), (want) => ({ ...want, until: undefined })),
  tried: [...entry.tried],
  avoid: [...entry.avoid],
  lacking: [...entry.lacking],
  features: [...entry.features],
  owners: [...entry.owners],
});

function entryOf({ key, data }: Row, times: Times, now: number): Entry {
  const row = JSON.parse(data) as ReturnType<typeof rowOf>;
  const wants = row.wants.map((want): [string, Want] => [
    wantKey(want),
    { ...want, until: now + wantedFor(want.purpose, times) },
  ]);
  return {
    ...row,
    key,
    // The origin says its results again, now that the farm was restarted.
    unstoredUntil: 0,
    wants: new Map(wants),
    tried: new Set(row.tried),
    avoid: new Map(row.avoid),
    lacking: new Set(row.lacking),
    features: new Set(row.features),
    owners: new Set(row.owners),
  };
}
