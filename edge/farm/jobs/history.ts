/**
 * What a farm has done, for operators: counts since it was created, and how the latest jobs ended.
 * Kept in SQLite, since a farm may hibernate between any two requests, as two rows for each job
 * that ends.
 *
 *   tally       one row: a few numbers, as JSON
 *   past_jobs   the latest jobs, KEPT of those that made everything and KEPT of the others
 */
import { type EndedItem, type EndedJob, NO_TALLY, type Tally } from "../../contract/farm-state.ts";
import type { Item } from "../../contract/items.ts";
import type { Ending } from "../builds/answer.ts";
import { type Job as Lease, systemOf } from "../schedule/state.ts";

/** Jobs that are kept, of each sort: as many as a person looks through. */
const KEPT = 50;
/** Older ones are deleted this many at a time. */
const FORGOTTEN_AT_ONCE = 20;
/** Longest message that is kept of an item, characters: a reason, not a log. */
const MAX_MESSAGE = 500;

/** An item that has ended. */
export interface Ended {
  readonly item: Item;
  readonly ending: Ending;
  /** What went wrong before, as in the log. */
  readonly trouble: string;
}

export class History {
  readonly #sql: SqlStorage;
  #tally: Tally;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS tally (id INTEGER PRIMARY KEY, data TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS past_jobs (
        id INTEGER PRIMARY KEY, failed INTEGER NOT NULL, data TEXT NOT NULL);
    `);
    const [row] = this.#sql.exec<{ data: string }>("SELECT data FROM tally").toArray();
    this.#tally = row === undefined ? NO_TALLY : (JSON.parse(row.data) as Tally);
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** The latest jobs that made everything, and the latest that did not, newest first. */
  latest(): { readonly builds: EndedJob[]; readonly failures: EndedJob[] } {
    const read = (failed: 0 | 1): EndedJob[] =>
      this.#sql
        .exec<{ data: string }>(
          "SELECT data FROM past_jobs WHERE failed = ? ORDER BY id DESC",
          failed,
        )
        .toArray()
        .map(({ data }) => JSON.parse(data) as EndedJob);
    return { builds: read(0), failures: read(1) };
  }

  /** Items ended: in a job, or without one because no origin could take them. */
  ended(all: readonly Ended[], lease: Lease | undefined, now: number): void {
    if (all.length === 0 && lease === undefined) return;
    const items = all.map(({ item, ending, trouble }): EndedItem => {
      const { result, message } = told(ending);
      const about = lease === undefined && trouble !== "" ? `${message}: ${trouble}` : message;
      return endedItem(item, result, about);
    });
    const seconds = lease === undefined ? null : (now - lease.since) / 1_000;
    const jobs = { ...this.#tally.jobs };
    if (lease !== undefined && seconds !== null) {
      const { count, seconds: sum } = jobs[lease.lane];
      jobs[lease.lane] = { count: count + 1, seconds: sum + seconds };
    }
    this.#count({ ...this.#tally, items: added(this.#tally.items, items), jobs });
    if (items.length > 0)
      this.#remember({ at: now, origin: lease?.origin ?? null, seconds, items });
  }

  /** Attempts at these items failed, and others may follow. */
  lost(origin: string, items: readonly Item[], reason: string, now: number): void {
    if (items.length === 0) return;
    this.#count({ ...this.#tally, attemptsLost: this.#tally.attemptsLost + items.length });
    const again = items.map((item) => endedItem(item, "lost", reason));
    this.#remember({ at: now, origin, seconds: null, items: again });
  }

  #count(tally: Tally): void {
    this.#tally = tally;
    const data = JSON.stringify(tally);
    this.#sql.exec("INSERT OR REPLACE INTO tally (id, data) VALUES (1, ?)", data);
  }

  #remember(job: EndedJob): void {
    const failed = job.items.some(({ result }) => result !== "done") ? 1 : 0;
    const { id } = this.#sql
      .exec<{ id: number }>(
        "INSERT INTO past_jobs (failed, data) VALUES (?, ?) RETURNING id",
        failed,
        JSON.stringify(job),
      )
      .one();
    if (id % FORGOTTEN_AT_ONCE === 0)
      for (const each of [0, 1])
        this.#sql.exec(
          `DELETE FROM past_jobs WHERE failed = ?1 AND id <= (
             SELECT id FROM past_jobs WHERE failed = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
          each,
          KEPT,
        );
  }
}

function told(ending: Ending): { readonly result: EndedItem["result"]; readonly message: string } {
  if (ending === "paused")
    return { result: "no-origin", message: "no origin that could do it takes jobs" };
  if (typeof ending === "string")
    return { result: "no-origin", message: "no origin that could do it is connected" };
  if (ending.kind !== "failure") return { result: "done", message: "" };
  return { result: ending.failure.reason, message: ending.failure.message };
}

const endedItem = (item: Item, result: EndedItem["result"], message: string): EndedItem => ({
  kind: item.kind,
  name: nameOf(item),
  system: systemOf(item) ?? null,
  result,
  message: message.slice(0, MAX_MESSAGE),
});

/** The item's name, for a person who also sees its kind. */
function nameOf(item: Item): string {
  switch (item.kind) {
    case "tag":
      return item.tag;
    case "index":
      return item.path.join(".");
    case "package":
      return item.name;
  }
}

/** The counts by kind and result, with these items added. */
function added(counts: Tally["items"], items: readonly EndedItem[]): Tally["items"] {
  const all = counts.map((each) => ({ ...each }));
  for (const { kind, result } of items) {
    const known = all.find((each) => each.kind === kind && each.result === result);
    if (known === undefined) all.push({ kind, result, count: 1 });
    else known.count += 1;
  }
  return all;
}
