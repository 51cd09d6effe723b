/**
 * The farm's memory of work, in the Farm object's SQLite, so that hibernation, eviction and deploys
 * lose nothing.
 *
 *   jobs      one row per job, queued or held          pieces    piece → the one job that it is in
 *   wants     which Build waits for which piece        fates     what became of pieces lately: the memory of failures
 */
import type { System } from "../contract/records.ts";
import { memoryOf } from "./limits.ts";
import { type Fate, type Piece, piecesOf, type Settlement, workOf } from "./pieces.ts";
import type { Work } from "../contract/messages.ts";
import type { JobState } from "./schedule.ts";

export interface Job extends JobState {
  readonly work: Work;
}

interface JobRow extends Record<string, SqlStorageValue> {
  id: string;
  work: string;
  system: System | null;
  revision: string | null;
  queued: number;
  attempts: number;
  origin: string | null;
  since: number;
  accepted: number;
  avoid: string;
  trouble: string;
}

export class Queue {
  readonly #storage: DurableObjectStorage;
  readonly #sql: SqlStorage;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
    this.#sql = storage.sql;
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, work TEXT NOT NULL, system TEXT, revision TEXT, queued INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        origin TEXT, since INTEGER NOT NULL DEFAULT 0, accepted INTEGER NOT NULL DEFAULT 0, avoid TEXT NOT NULL DEFAULT '{}', trouble TEXT NOT NULL DEFAULT '');
      CREATE TABLE IF NOT EXISTS pieces (piece TEXT PRIMARY KEY, job TEXT NOT NULL);
      CREATE TABLE IF NOT EXISTS wants (piece TEXT NOT NULL, build TEXT NOT NULL, PRIMARY KEY (piece, build)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS fates (piece TEXT PRIMARY KEY, fate TEXT NOT NULL, until INTEGER NOT NULL);
    `);
  }

  /**
   * Sorts pieces into those whose fate is remembered, those that a job has already, and those that
   * need a new job.
   */
  sort(
    pieces: readonly Piece[],
    now: number,
  ): { settled: Settlement[]; busy: Piece[]; fresh: Piece[] } {
    const sorted = { settled: [] as Settlement[], busy: [] as Piece[], fresh: [] as Piece[] };
    for (const piece of pieces) {
      const fate = this.#sql
        .exec<{ fate: string }>(
          "SELECT fate FROM fates WHERE piece = ? AND until > ?",
          piece.key,
          now,
        )
        .toArray()[0];
      if (fate !== undefined)
        sorted.settled.push({ piece: piece.key, fate: JSON.parse(fate.fate) as Fate });
      else if (
        this.#sql.exec("SELECT 1 FROM pieces WHERE piece = ?", piece.key).toArray().length > 0
      )
        sorted.busy.push(piece);
      else sorted.fresh.push(piece);
    }
    return sorted;
  }

  /** A new job for pieces that no job has. */
  add(id: string, work: Work, fresh: readonly Piece[], now: number): void {
    this.#storage.transactionSync(() => {
      const { system = null, revision = null } = work.kind === "publish" ? work : {};
      this.#sql.exec(
        "INSERT INTO jobs (id, work, system, revision, queued) VALUES (?, ?, ?, ?, ?)",
        id,
        JSON.stringify(workOf(work, fresh)),
        system,
        revision,
        now,
      );
      for (const { key } of fresh)
        this.#sql.exec("INSERT INTO pieces (piece, job) VALUES (?, ?)", key, id);
    });
  }

  /** From now on the build hears what becomes of the pieces. */
  want(build: string, pieces: readonly Piece[]): void {
    for (const { key } of pieces)
      this.#sql.exec("INSERT OR IGNORE INTO wants (piece, build) VALUES (?, ?)", key, build);
  }

  get queued(): number {
    return this.#sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM jobs WHERE origin IS NULL")
      .one().n;
  }

  /** Every job, without its work: the queue may be long, and is looked through at every event. */
  jobs(): JobState[] {
    return this.#sql
      .exec<JobRow>(
        "SELECT id, system, revision, queued, attempts, origin, since, accepted, avoid, trouble FROM jobs",
      )
      .toArray()
      .map(stateOf);
  }

  job(id: string): Job | undefined {
    const row = this.#sql.exec<JobRow>("SELECT * FROM jobs WHERE id = ?", id).toArray()[0];
    return row && { ...stateOf(row), work: JSON.parse(row.work) as Work };
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
   * The origin is working on the job still, though it was taken back meanwhile: nobody else has it
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

  /**
   * Queues a held job again, in its old place. `attempted`: whether the attempt counts.
   * `avoidUntil`: not offered to its holder before.
   */
  takeBack(
    job: JobState,
    reason: string,
    { attempted, avoidUntil }: { attempted: boolean; avoidUntil?: number },
  ): void {
    const avoid =
      job.holder === undefined || avoidUntil === undefined
        ? job.avoid
        : { ...job.avoid, [job.holder.origin]: avoidUntil };
    this.#sql.exec(
      "UPDATE jobs SET origin = NULL, attempts = ?, avoid = ?, trouble = ? WHERE id = ?",
      job.attempts - (attempted ? 0 : 1),
      JSON.stringify(avoid),
      reason,
      job.id,
    );
  }

  /**
   * Settles pieces of a job, and with the last of them the job. Returns what each build is to hear.
   */
  settle(job: Job, fates: ReadonlyMap<string, Fate>, now: number): Map<string, Settlement[]> {
    const notices = new Map<string, Settlement[]>();
    this.#storage.transactionSync(() => {
      for (const [piece, fate] of fates) {
        for (const { build } of this.#sql.exec<{ build: string }>(
          "SELECT build FROM wants WHERE piece = ?",
          piece,
        )) {
          notices.set(build, [...(notices.get(build) ?? []), { piece, fate }]);
        }
        this.#sql.exec("DELETE FROM wants WHERE piece = ?", piece);
        this.#sql.exec("DELETE FROM pieces WHERE piece = ?", piece);
        this.#sql.exec(
          "INSERT OR REPLACE INTO fates (piece, fate, until) VALUES (?, ?, ?)",
          piece,
          JSON.stringify(fate),
          now + memoryOf(fate),
        );
      }
      this.#sql.exec(
        "DELETE FROM jobs WHERE id = ? AND NOT EXISTS (SELECT 1 FROM pieces WHERE job = jobs.id)",
        job.id,
      );
    });
    return notices;
  }

  /**
   * What is left of a job that was settled in part is queued as job `id`, in the old place, so that
   * late results of the whole cannot be taken for its own.
   */
  split(job: Job, id: string, reason: string, avoid: Readonly<Record<string, number>>): void {
    this.#storage.transactionSync(() => {
      const left = new Set(
        this.#sql
          .exec<{ piece: string }>("SELECT piece FROM pieces WHERE job = ?", job.id)
          .toArray()
          .map(({ piece }) => piece),
      );
      const work = workOf(
        job.work,
        piecesOf(job.work).filter(({ key }) => left.has(key)),
      );
      this.#sql.exec("UPDATE pieces SET job = ? WHERE job = ?", id, job.id);
      this.#sql.exec(
        "UPDATE jobs SET id = ?, work = ?, origin = NULL, avoid = ?, trouble = ? WHERE id = ?",
        id,
        JSON.stringify(work),
        JSON.stringify({ ...job.avoid, ...avoid }),
        reason,
        job.id,
      );
    });
  }

  /** Forgets fates whose time is over. */
  forget(now: number): void {
    this.#sql.exec("DELETE FROM fates WHERE until <= ?", now);
  }
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
    trouble: row.trouble,
  };
}
