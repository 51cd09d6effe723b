/**
 * The farm's queue, in the Farm object's SQLite, so that hibernation, eviction and deploys lose
 * nothing.
 *
 *   items   one row per item: the job that it is in, or how it ended, remembered for a while
 *   jobs    one row per job, waiting for an origin or held by one
 *   wants   which Build waits for which item
 *
 * A job is made of those items of one request that no other job has: when one Build wants git and
 * curl and another one curl and jq, `curl` is in the first one's job only, and both hear how it
 * ended. The items of a job never change; what an origin leaves unfinished goes back to the queue
 * as a new job, so that late results of the old one cannot be taken for its own.
 */
import type { System } from "../contract/records.ts";
import type { Item } from "../contract/messages.ts";
import { type Ending, itemKey, type Outcome } from "./answer.ts";
import { memoryOf } from "./limits.ts";
import type { JobState } from "./schedule.ts";

export interface Job extends JobState {
  readonly items: readonly Item[];
}

interface JobRow extends Record<string, SqlStorageValue> {
  id: string;
  system: System | null;
  revision: string | null;
  queued: number;
  attempts: number;
  origin: string | null;
  since: number;
  accepted: number;
  avoid: string;
  lacking: string;
  trouble: string;
}

export class Queue {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS jobs (
        id TEXT PRIMARY KEY, system TEXT, revision TEXT, queued INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0, origin TEXT, since INTEGER NOT NULL DEFAULT 0,
        accepted INTEGER NOT NULL DEFAULT 0, avoid TEXT NOT NULL DEFAULT '{}',
        lacking TEXT NOT NULL DEFAULT '[]', trouble TEXT NOT NULL DEFAULT '');
      CREATE TABLE IF NOT EXISTS items (
        key TEXT PRIMARY KEY, item TEXT NOT NULL, job TEXT, ending TEXT, until INTEGER);
      CREATE INDEX IF NOT EXISTS items_by_job ON items (job);
      CREATE TABLE IF NOT EXISTS wants (
        key TEXT NOT NULL, build TEXT NOT NULL, PRIMARY KEY (key, build)) WITHOUT ROWID;
    `);
  }

  /** Sorts items into those whose ending is remembered, those that a job has, and new ones. */
  look(
    items: readonly Item[],
    now: number,
  ): { known: Map<string, Ending>; busy: Item[]; fresh: Item[] } {
    const sorted = { known: new Map<string, Ending>(), busy: [] as Item[], fresh: [] as Item[] };
    for (const item of items) {
      const key = itemKey(item);
      const row = this.#sql
        .exec<{ ending: string | null }>(
          "SELECT ending FROM items WHERE key = ? AND (job IS NOT NULL OR until > ?)",
          key,
          now,
        )
        .toArray()[0];
      if (row === undefined) sorted.fresh.push(item);
      else if (row.ending === null) sorted.busy.push(item);
      else sorted.known.set(key, JSON.parse(row.ending) as Outcome);
    }
    return sorted;
  }

  /** A new job for items that no job has. */
  add(id: string, items: readonly Item[], now: number): void {
    const [first] = items;
    const { system = null, revision = null } =
      first === undefined || first.kind === "tag" ? {} : first;
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        "INSERT INTO jobs (id, system, revision, queued) VALUES (?, ?, ?, ?)",
        id,
        system,
        revision,
        now,
      );
      for (const item of items)
        this.#sql.exec(
          "INSERT OR REPLACE INTO items (key, item, job) VALUES (?, ?, ?)",
          itemKey(item),
          JSON.stringify(item),
          id,
        );
    });
  }

  /** From now on the build hears how the items end. */
  want(build: string, items: readonly Item[]): void {
    for (const item of items)
      this.#sql.exec(
        "INSERT OR IGNORE INTO wants (key, build) VALUES (?, ?)",
        itemKey(item),
        build,
      );
  }

  /** Jobs that wait for an origin. */
  get waiting(): number {
    return this.#sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM jobs WHERE origin IS NULL")
      .one().n;
  }

  /** Every job, without its items: the queue may be long, and is looked through at every event. */
  jobs(): JobState[] {
    return this.#sql.exec<JobRow>("SELECT * FROM jobs").toArray().map(stateOf);
  }

  job(id: string): Job | undefined {
    const row = this.#sql.exec<JobRow>("SELECT * FROM jobs WHERE id = ?", id).toArray()[0];
    const items = this.#sql
      .exec<{ item: string }>("SELECT item FROM items WHERE job = ? ORDER BY rowid", id)
      .toArray()
      .map(({ item }) => JSON.parse(item) as Item);
    return row && { ...stateOf(row), items };
  }

  /** The origin holds the job from now on; the attempt is counted. */
  hold(id: string, origin: string, now: number): void {
    this.#sql.exec(
      "UPDATE jobs SET origin = ?, since = ?, accepted = 0, attempts = attempts + 1 WHERE id = ?",
      origin,
      now,
      id,
    );
  }

  accept(id: string, origin: string): void {
    this.#sql.exec("UPDATE jobs SET accepted = 1 WHERE id = ? AND origin = ?", id, origin);
  }

  /**
   * The origin is working on the job still, though it was put back meanwhile: nobody else has it
   * yet, so it keeps it. The attempt is the same.
   */
  reclaim(id: string, origin: string, now: number): void {
    this.#sql.exec(
      "UPDATE jobs SET origin = ?, since = ?, accepted = 1 WHERE id = ? AND origin IS NULL",
      origin,
      now,
      id,
    );
  }

  /** Puts a job back into the queue, in its old place, as `change` says. */
  putBack(job: JobState, change: PutBack): void {
    const { id = job.id, origin, avoidUntil } = change;
    const avoid = avoidUntil === undefined ? job.avoid : { ...job.avoid, [origin]: avoidUntil };
    const lacking = change.lacksRevision ? [...new Set([...job.lacking, origin])] : job.lacking;
    const uncounted = change.attempted || job.holder === undefined ? 0 : 1;
    this.#storage.transactionSync(() => {
      this.#sql.exec(
        "UPDATE jobs SET id = ?, origin = NULL, attempts = ?, avoid = ?, lacking = ?, trouble = ? WHERE id = ?",
        id,
        job.attempts - uncounted,
        JSON.stringify(avoid),
        JSON.stringify(lacking),
        change.reason,
        job.id,
      );
      this.#sql.exec("UPDATE items SET job = ? WHERE job = ?", id, job.id);
    });
  }

  /**
   * Items have ended, and with the last item of a job the job. Returns what each build is to hear.
   */
  end(endings: ReadonlyMap<string, Ending>, now: number): Map<string, Map<string, Ending>> {
    const deliveries = new Map<string, Map<string, Ending>>();
    this.#storage.transactionSync(() => {
      for (const [key, ending] of endings) {
        const wants = this.#sql.exec<{ build: string }>(
          "SELECT build FROM wants WHERE key = ?",
          key,
        );
        for (const { build } of wants.toArray())
          deliveries.set(build, (deliveries.get(build) ?? new Map()).set(key, ending));
        this.#sql.exec("DELETE FROM wants WHERE key = ?", key);
        this.#sql.exec(
          "UPDATE items SET job = NULL, ending = ?, until = ? WHERE key = ?",
          JSON.stringify(ending),
          now + memoryOf(ending),
          key,
        );
      }
      this.#sql.exec("DELETE FROM jobs WHERE NOT EXISTS (SELECT 1 FROM items WHERE job = jobs.id)");
    });
    return deliveries;
  }

  /** Forgets the endings whose time is over. */
  forget(now: number): void {
    this.#sql.exec("DELETE FROM items WHERE until <= ?", now);
  }
}

/** How a job comes back from an origin. */
export interface PutBack {
  readonly origin: string;
  /** What went wrong, for the operator's log: it may name origins. */
  readonly reason: string;
  /** Whether the attempt counts. */
  readonly attempted: boolean;
  /** Not offered to this origin before, ms since 1970. */
  readonly avoidUntil?: number;
  /** The origin does not have the job's revision: it is not offered the job again. */
  readonly lacksRevision?: boolean;
  /** A new id, when some of the job's items have ended. */
  readonly id?: string;
}

function stateOf(row: JobRow): JobState {
  return {
    id: row.id,
    queuedAt: row.queued,
    ...(row.system === null ? {} : { system: row.system }),
    ...(row.revision === null ? {} : { revision: row.revision }),
    attempts: row.attempts,
    ...(row.origin === null
      ? {}
      : { holder: { origin: row.origin, since: row.since, accepted: row.accepted === 1 } }),
    avoid: JSON.parse(row.avoid) as Record<string, number>,
    lacking: JSON.parse(row.lacking) as string[],
    trouble: row.trouble,
  };
}
