/**
 * What origins report about their jobs: done, failed, refused, or still running after a reconnect.
 * Results are published (publication/); items that another origin should try go back into the
 * queue.
 */
import type { Failure, Result } from "../../contract/items.ts";
import { note } from "../../log.ts";
import type { AnotherOwner } from "../publication/agreement.ts";
import { type Ending, itemKey, type Outcome } from "../builds/answer.ts";
import { isRefused } from "../../store/bucket.ts";
import { InvalidResult } from "../publication/check-results.ts";
import type { Dispatch, DispatchParts } from "./dispatch.ts";
import type { Publication } from "../publication/publication.ts";
import type { Job } from "./queue.ts";
import type { PutBack } from "../schedule/schedule.ts";
import type { Job as Lease } from "../schedule/state.ts";

/**
 * Who asks within this time after results were not stored is told that, ms: longer than the origin
 * waits until it says them again.
 */
const UNSTORED = 40_000;

export interface ResultsParts extends DispatchParts {
  readonly dispatch: Dispatch;
  readonly publication: Publication;
}

export class Results {
  readonly #with: ResultsParts;
  /** Jobs whose results are being stored right now. */
  readonly #storing = new Set<string>();
  /** Since when the bucket has not taken the results of a job, ms since 1970. */
  readonly #unstoredSince = new Map<string, number>();

  constructor(parts: ResultsParts) {
    this.#with = parts;
  }

  /** Whether results of a job are being stored: until that is over it stays with its origin. */
  isStoring = (job: string): boolean => this.#storing.has(job);

  /**
   * An origin reports how the items of a job ended: what it made is stored, and everybody who wants
   * it is told. Items for which the origin had trouble of its own, or lacked something, go back
   * into the queue for another origin.
   */
  async done(name: string, id: string, results: readonly Result[]): Promise<void> {
    const { queue, origins, publication, dispatch } = this.#with;
    const job = queue.job(id);
    if (job?.origin !== name) return void origins.send(name, { type: "settled", job: id });
    // The same results again, from an origin that reconnected meanwhile: the first ones are being
    // handled.
    if (this.#storing.has(id)) return;
    this.#storing.add(id);
    const stored = await publication
      .store(job.items, results, name)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    this.#storing.delete(id);
    if (stored instanceof Error) return this.#notStored(name, id, stored);
    this.#unstoredSince.delete(id);
    this.#endOrPutBack(job, stored, Date.now());
    queue.save();
    origins.send(name, { type: "settled", job: id });
    await dispatch.schedule();
  }

  /** An origin reports the same failure for every item of a job. */
  async failed(name: string, id: string, failure: Failure): Promise<void> {
    const items = this.#with.queue.job(id)?.items ?? [];
    const results = items.map((): Result => ({ kind: "failure", failure }));
    await this.done(name, id, results);
  }

  /**
   * Invalid results cost the origin the job. When the bucket fails, the origin keeps job and
   * results, and sends them again: nothing is built twice. Those who wait are told when this takes
   * longer than they should be held.
   */
  async #notStored(name: string, job: string, error: Error): Promise<void> {
    if (error instanceof InvalidResult) return this.refuseResults(name, job, error.message);
    note("error", "farm.storage", { origin: name, job, problem: error.message });
    this.#with.origins.send(name, { type: "repeat", job });
    const { schedule, dispatch, times } = this.#with;
    const now = Date.now();
    for (const id of this.#unstoredSince.keys())
      if (!schedule.jobs.has(id)) this.#unstoredSince.delete(id);
    const since = this.#unstoredSince.get(job) ?? now;
    this.#unstoredSince.set(job, since);
    const lease = schedule.jobs.get(job);
    if (lease !== undefined && (isRefused(error) || now >= since + times().unstored))
      dispatch.unstored(lease, now + UNSTORED);
  }

  #endOrPutBack(job: Job, stored: readonly (Outcome | AnotherOwner)[], now: number): void {
    const { schedule, origins } = this.#with;
    const { origin } = job;
    const endings = new Map<string, Ending>();
    const again: [key: string, change: PutBack][] = [];
    for (const [at, item] of job.items.entries()) {
      const result = stored[at];
      if (result === undefined) continue;
      const change = this.#putBackOf(origin, result, now);
      if (change !== undefined) again.push([itemKey(item), change]);
      else if (result.kind !== "another-owner") endings.set(itemKey(item), result);
      if (item.kind !== "tag" && (result.kind === "package" || result.kind === "index"))
        origins.has(origin, item.revision);
    }
    this.#with.dispatch.end(endings, now, job.id);
    const lease = schedule.jobs.get(job.id);
    for (const [key, change] of again) {
      const entry = schedule.backlog.entries.get(key);
      if (entry === undefined) continue;
      if (entry.job === job.id && lease !== undefined)
        this.#with.dispatch.putBack(lease, [entry], change, now);
      else if (change.madeBy !== undefined) schedule.madeBy(entry, change.madeBy);
    }
    if (lease !== undefined) schedule.release(lease);
    const trouble = again.find(([, { attempted }]) => attempted)?.[1];
    if (trouble !== undefined) {
      note("warn", "job.trouble", { origin, job: job.id, message: trouble.reason });
      this.#with.dispatch.blame(origin, now);
    } else if (endings.size > 0) this.#with.dispatch.praise(origin);
  }

  /** How an item goes back into the queue; undefined when its result is final. */
  #putBackOf(origin: string, result: Outcome | AnotherOwner, now: number): PutBack | undefined {
    if (result.kind === "another-owner") {
      const owner = this.#with.schedule.origins.get(origin)?.owner ?? origin;
      return { reason: `origin ${origin} made it`, attempted: false, madeBy: owner };
    }
    if (result.kind !== "failure") return undefined;
    const { reason, message, features } = result.failure;
    if (reason === "unknown-revision")
      return { reason: `origin ${origin}: ${message}`, attempted: false, lacks: true };
    if (reason === "lacking")
      return {
        reason: `origin ${origin}: ${message}`,
        attempted: false,
        lacks: true,
        features: features ?? [],
      };
    if (reason !== "error") return undefined;
    const avoidUntil = now + this.#with.times().avoid;
    return { reason: `origin ${origin}: ${message}`, attempted: true, avoidUntil };
  }

  /** Results that are not accepted count as an attempt; another origin makes the next. */
  async refuseResults(name: string, id: string, problem: string): Promise<void> {
    const now = Date.now();
    note("error", "origin.invalid", { origin: name, job: id, problem });
    const reason = `origin ${name}: the edge did not take its results: ${problem}`;
    if (this.#giveBack(name, id, { reason, attempted: true }, now))
      this.#with.dispatch.blame(name, now);
    this.#with.origins.send(name, { type: "settled", job: id });
    await this.#with.dispatch.schedule();
  }

  /** The origin does not want the job: not an attempt. */
  async handBack(name: string, id: string, message: string): Promise<void> {
    const reason = `origin ${name} refused: ${message}`;
    if (!this.#giveBack(name, id, { reason, attempted: false }, Date.now())) return;
    note("info", "job.refused", { origin: name, job: id, message });
    await this.#with.dispatch.schedule();
  }

  /**
   * Puts the items of a job that the origin holds back into the queue; false when it does not hold
   * it.
   */
  #giveBack(name: string, id: string, change: PutBack, now: number): boolean {
    const { schedule, times } = this.#with;
    const lease = schedule.jobs.get(id);
    if (lease?.origin !== name) return false;
    const avoidUntil = now + times().avoid;
    this.#with.dispatch.putBack(lease, schedule.open(lease), { ...change, avoidUntil }, now);
    schedule.release(lease);
    return true;
  }

  /**
   * An origin has reconnected. It keeps those of its jobs that it is still `running`, even one that
   * was lost meanwhile as far as nobody else has its items. Items of jobs that it no longer runs go
   * back into the queue, and it is told to stop jobs that others have now or that are over.
   */
  resume(name: string, runningIds: readonly string[], now: number): void {
    const { schedule, queue, origins } = this.#with;
    const running = new Set(runningIds);
    for (const lease of schedule.jobs.values()) {
      if (lease.origin !== name) continue;
      if (!running.has(lease.id)) {
        if (lease.lostAt !== null) continue;
        if (!this.#storing.has(lease.id)) this.#cameBackWithout(lease, now);
      } else if (lease.lostAt === null || schedule.reclaim(lease, now)) {
        queue.accept(lease.id, name);
        running.delete(lease.id);
      }
    }
    for (const job of running) origins.send(name, { type: "cancel", job });
  }

  /**
   * Its process was restarted, maybe because of this job; or the job was lost with a connection
   * before it began.
   */
  #cameBackWithout(lease: Lease, now: number): void {
    const { schedule } = this.#with;
    const reason = `origin ${lease.origin} came back without it`;
    note("warn", "job.take-back", { job: lease.id, origin: lease.origin, reason });
    schedule.lostAt.push(now);
    const change = { reason, attempted: true, lost: lease.accepted && !schedule.isOutage(now) };
    this.#with.dispatch.putBack(lease, schedule.open(lease), change, now);
    schedule.release(lease);
    this.#with.dispatch.blame(lease.origin, now);
  }
}
