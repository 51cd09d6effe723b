/**
 * Jobs between the farm's queue and its origins: carries out what schedule.ts decides, and deals
 * with the results that come back.
 */
import type { Env } from "../env.ts";
import { CLOSE, type Failure, type Result } from "../contract/messages.ts";
import { note } from "../log.ts";
import { type Ending, itemKey, type Outcome } from "./answer.ts";
import { InvalidResult } from "./check.ts";
import type { Times } from "./limits.ts";
import type { Origins } from "./origins.ts";
import type { Publication } from "./publication.ts";
import type { Job, Queue } from "./queue.ts";
import { type Decision, schedule } from "./schedule.ts";

/** Longest message of a failure (contract/messages.ts). */
const MAX_REASON = 2_000;

export interface DispatchParts {
  readonly queue: Queue;
  readonly origins: Origins;
  readonly publication: Publication;
  readonly times: () => Times;
}

export class Dispatch {
  readonly #ctx: DurableObjectState;
  readonly #env: Env;
  readonly #queue: Queue;
  readonly #origins: Origins;
  readonly #publication: Publication;
  readonly #times: () => Times;
  /** Jobs whose results are being stored in this moment. */
  readonly #storing = new Set<string>();

  constructor(
    ctx: DurableObjectState,
    env: Env,
    { queue, origins, publication, times }: DispatchParts,
  ) {
    this.#ctx = ctx;
    this.#env = env;
    this.#queue = queue;
    this.#origins = origins;
    this.#publication = publication;
    this.#times = times;
  }

  /**
   * An origin tells how the items of a job ended: what it made is stored, and whoever wants it is
   * told. Its own trouble with an item, or a revision that it does not have, is for another origin
   * to do better: these items go back to the queue.
   */
  async done(name: string, id: string, results: readonly Result[]): Promise<void> {
    const job = this.#queue.job(id);
    if (job === undefined) return void this.#origins.send(name, { type: "settled", job: id });
    // The same results again, from an origin that reconnected meanwhile: the first ones are being
    // dealt with.
    if (this.#storing.has(id)) return;
    this.#storing.add(id);
    const stored = await this.#publication
      .store(job.items, results, name)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    this.#storing.delete(id);
    if (stored instanceof Error) return this.#notStored(name, id, stored);
    // Another origin's results of the same job may have been stored in the meantime.
    if (this.#queue.job(id) !== undefined) this.#endOrPutBack(name, job, stored);
    await this.#finished(job, name);
  }

  /** The same failure for every item of a job. */
  async failed(name: string, id: string, failure: Failure): Promise<void> {
    const items = this.#queue.job(id)?.items ?? [];
    await this.done(
      name,
      id,
      items.map(() => ({ kind: "failure", failure })),
    );
  }

  /**
   * Results that are invalid cost the origin the job. For the bucket's trouble it keeps both job
   * and results, and sends these again: nothing is built twice.
   */
  async #notStored(name: string, job: string, error: Error): Promise<void> {
    if (error instanceof InvalidResult) return this.refuseResults(name, job, error.message);
    note("error", "farm.storage", { origin: name, job, problem: error.message });
    this.#origins.send(name, { type: "repeat", job });
  }

  #endOrPutBack(name: string, job: Job, stored: readonly Outcome[]): void {
    const endings = new Map<string, Ending>();
    const troubles: Failure[] = [];
    for (const [at, item] of job.items.entries()) {
      const result = stored[at];
      if (result?.kind === "failure" && isForAnother(result.failure)) troubles.push(result.failure);
      else if (result !== undefined) endings.set(itemKey(item), result);
      if (item.kind !== "tag" && (result?.kind === "package" || result?.kind === "index"))
        this.#origins.has(name, item.revision);
    }
    this.#end(endings);
    const [trouble] = troubles;
    if (trouble === undefined) return;
    note("warn", "job.trouble", { origin: name, job: job.id, message: trouble.message });
    // Another origin that has the job by now goes on with it, unless the job has become smaller.
    if (endings.size === 0 && job.holder?.origin !== name) return;
    const lacksRevision = troubles.every(({ reason }) => reason === "unknown-revision");
    this.#queue.putBack(job, {
      origin: name,
      reason: `origin ${name}: ${trouble.message}`,
      attempted: !lacksRevision,
      lacksRevision,
      ...(lacksRevision ? {} : { avoidUntil: Date.now() + this.#times().avoid }),
      ...(endings.size === 0 ? {} : { id: crypto.randomUUID() }),
    });
  }

  /** Results that are not taken: the attempt was made, and another origin makes the next. */
  async refuseResults(name: string, id: string, problem: string): Promise<void> {
    note("error", "origin.invalid", { origin: name, job: id, problem });
    const job = this.#queue.job(id);
    if (job?.holder?.origin === name)
      this.#queue.putBack(job, {
        origin: name,
        reason: `origin ${name}: the edge did not take its results: ${problem}`,
        attempted: true,
        avoidUntil: Date.now() + this.#times().avoid,
      });
    this.#origins.send(name, { type: "settled", job: id });
    await this.schedule();
  }

  /** The origin does not want the job: that was no attempt. */
  async handBack(name: string, id: string, message: string): Promise<void> {
    const job = this.#queue.job(id);
    if (job?.holder?.origin !== name) return;
    note("info", "job.refused", { origin: name, job: id, message });
    this.#queue.putBack(job, {
      origin: name,
      reason: `origin ${name} refused: ${message}`,
      attempted: false,
      avoidUntil: Date.now() + this.#times().avoid,
    });
    await this.schedule();
  }

  /**
   * The origin may forget the job; and if it was given to another one meanwhile and is over, that
   * one may stop.
   */
  async #finished(job: Job, name: string): Promise<void> {
    this.#origins.send(name, { type: "settled", job: job.id });
    const holder = job.holder?.origin;
    if (holder !== undefined && holder !== name && this.#queue.job(job.id) === undefined)
      this.#origins.send(holder, { type: "cancel", job: job.id });
    await this.schedule();
  }

  /**
   * Items have ended: those who want them are told. A delivery that gets lost is made good by
   * Build's own asking.
   */
  #end(endings: ReadonlyMap<string, Ending>): void {
    for (const [build, delivery] of this.#queue.end(endings, Date.now())) {
      const lost = (error: unknown): void =>
        note("warn", "build.delivery", { build, error: String(error) });
      this.#ctx.waitUntil(
        Promise.resolve(this.#env.BUILD.getByName(build).deliver(delivery)).catch(lost),
      );
    }
  }

  /** Carries out the schedule, and sets the alarm for the next look. */
  async schedule(): Promise<void> {
    const now = Date.now();
    this.#queue.forget(now);
    for (const name of this.#origins.dropRevoked())
      note("warn", "origin.revoked", { origin: name });
    // What is being stored stays with its origin until that is over.
    const jobs = this.#queue.jobs().filter(({ id }) => !this.#storing.has(id));
    const { decisions, wakeAt } = schedule(jobs, this.#origins.states(now), now, this.#times());
    for (const decision of decisions) this.#carryOut(decision, now);
    if (wakeAt === null) await this.#ctx.storage.deleteAlarm();
    else await this.#ctx.storage.setAlarm(wakeAt);
  }

  #carryOut(decision: Decision, now: number): void {
    if (decision.kind !== "assign") note("warn", `job.${decision.kind}`, decision);
    if (decision.kind === "drop")
      return this.#origins.drop(decision.origin, CLOSE.lost, "silent for too long");
    const job = this.#queue.job(decision.job);
    if (job === undefined) return;
    const endAll = (ending: Ending): void =>
      this.#end(new Map(job.items.map((item) => [itemKey(item), ending])));
    switch (decision.kind) {
      case "take-back":
        this.#origins.send(decision.origin, { type: "cancel", job: job.id });
        return this.#queue.putBack(job, {
          origin: decision.origin,
          reason: decision.reason,
          attempted: true,
          avoidUntil: now + this.#times().avoid,
        });
      case "give-up":
        return endAll(failure("error", decision.reason));
      case "unknown-revision":
        return endAll(failure("unknown-revision", unknownRevision(job)));
      case "no-origin":
        return endAll("no-origin");
      case "assign":
        this.#queue.hold(job.id, decision.origin, now);
        // Not sent: the connection is closing, and its end takes the job back.
        this.#origins.send(decision.origin, { type: "job", job: job.id, items: [...job.items] });
    }
  }
}

const isForAnother = ({ reason }: Failure): boolean =>
  reason === "error" || reason === "unknown-revision";

const failure = (reason: Failure["reason"], message: string): Ending => ({
  kind: "failure",
  failure: { reason, message: message.slice(0, MAX_REASON) },
});

const unknownRevision = ({ revision }: Job): string =>
  `no connected origin has ${revision === undefined ? "this revision" : `the revision ${revision}`} of the package set`;
