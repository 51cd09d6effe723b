/**
 * Jobs between the farm's queue and its origins: carries out what schedule.ts decides, and deals
 * with what origins say became of their jobs.
 */
import type { Env } from "../env.ts";
import { Untrue } from "./check.ts";
import type { Times } from "./limits.ts";
import { note } from "./log.ts";
import type { Origins } from "./origins.ts";
import { type Fate, failed, type Piece, piecesOf } from "./pieces.ts";
import { CLOSE, type Failure, type Result } from "../contract/messages.ts";
import type { Publication } from "./publication.ts";
import type { Job, Queue } from "./queue.ts";
import { type Decision, schedule } from "./schedule.ts";

/** Longest message of a failure (protocol.ts, FailureSchema). */
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
  /** Jobs whose result is being published in this moment. */
  readonly #publishing = new Set<string>();

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
   * A job is done, says the origin: what it made is checked and published, and whoever wants it is
   * told.
   */
  async done(name: string, id: string, result: Result): Promise<void> {
    const job = this.#queue.job(id);
    if (job === undefined) return void this.#origins.send(name, { type: "settled", job: id });
    // The same result again, from an origin that reconnected meanwhile: the first one is being
    // dealt with.
    if (this.#publishing.has(id)) return;
    this.#publishing.add(id);
    const published = await this.#publication
      .publish(job.work, result)
      .catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
    this.#publishing.delete(id);
    if (this.#queue.job(id) === undefined) return this.#finished(job, name);
    if (published instanceof Error) {
      note("error", published instanceof Untrue ? "origin.untrue" : "farm.publication", {
        origin: name,
        job: id,
        problem: published.message,
      });
      return this.refuseResult(name, id, published.message);
    }
    const fates = new Map(published);
    const troubled = [...fates].filter(
      ([, fate]) => fate.kind === "failure" && fate.failure.reason === "error",
    );
    for (const [piece] of troubled) fates.delete(piece);
    if (job.work.kind === "publish") this.#origins.has(name, job.work.revision);
    this.#settle(job, fates);
    const trouble = troubled[0]?.[1];
    if (trouble?.kind === "failure") {
      note("warn", "job.trouble", { origin: name, job: id, message: trouble.failure.message });
      this.#queue.split(job, crypto.randomUUID(), `origin ${name}: ${trouble.failure.message}`, {
        [name]: Date.now() + this.#times().avoid,
      });
    }
    await this.#finished(job, name);
  }

  /**
   * A job cannot be done, says the origin: its own trouble is for another origin to do better,
   * anything else is what became of the job.
   */
  async failed(name: string, id: string, failure: Failure): Promise<void> {
    const job = this.#queue.job(id);
    if (job === undefined) return void this.#origins.send(name, { type: "settled", job: id });
    if (failure.reason === "error") this.#troubled(job, name, failure.message);
    else {
      const seen = await this.#publication.failure(failure);
      // Another origin's result may have come while the bucket was asked.
      if (this.#queue.job(id) !== undefined)
        this.#settle(
          job,
          new Map(piecesOf(job.work).map((piece) => [piece.key, failed(piece, seen)])),
        );
    }
    await this.#finished(job, name);
  }

  /** A result that is not taken: the attempt was made, and another origin makes the next. */
  async refuseResult(name: string, id: string, problem: string): Promise<void> {
    const job = this.#queue.job(id);
    if (job !== undefined)
      this.#troubled(job, name, `the edge did not take its result: ${problem}`);
    this.#origins.send(name, { type: "settled", job: id });
    await this.schedule();
  }

  /** The origin does not want the job: that was no attempt. */
  async handBack(name: string, id: string, message: string): Promise<void> {
    const job = this.#queue.job(id);
    if (job?.holder?.origin !== name) return;
    note("info", "job.refused", { origin: name, job: id, message });
    this.#queue.takeBack(job, `origin ${name} refused: ${message}`, {
      attempted: false,
      avoidUntil: Date.now() + this.#times().avoid,
    });
    await this.schedule();
  }

  /**
   * The origin's own trouble with a job: another one should try, unless another one has it already.
   */
  #troubled(job: Job, name: string, message: string): void {
    note("warn", "job.trouble", { origin: name, job: job.id, message });
    if (job.holder?.origin === name)
      this.#queue.takeBack(job, `origin ${name}: ${message}`, {
        attempted: true,
        avoidUntil: Date.now() + this.#times().avoid,
      });
  }

  /**
   * The origin may forget the job; and if it was given to another one meanwhile and is settled,
   * that one may stop.
   */
  async #finished(job: Job, name: string): Promise<void> {
    this.#origins.send(name, { type: "settled", job: job.id });
    const holder = job.holder?.origin;
    if (holder !== undefined && holder !== name && this.#queue.job(job.id) === undefined)
      this.#origins.send(holder, { type: "cancel", job: job.id });
    await this.schedule();
  }

  /**
   * Settles pieces and tells those who want them. A notice that gets lost is made good by Build's
   * own asking.
   */
  #settle(job: Job, fates: ReadonlyMap<string, Fate>): void {
    for (const [build, settlements] of this.#queue.settle(job, fates, Date.now())) {
      const lost = (error: unknown): void =>
        note("warn", "build.notice", { build, error: String(error) });
      this.#ctx.waitUntil(
        Promise.resolve(this.#env.BUILD.getByName(build).settle(settlements)).catch(lost),
      );
    }
  }

  /** Carries out the schedule, and sets the alarm for the next look. */
  async schedule(): Promise<void> {
    const now = Date.now();
    this.#queue.forget(now);
    for (const name of this.#origins.dropRevoked())
      note("warn", "origin.revoked", { origin: name });
    // What is being published stays with its origin until that is over.
    const jobs = this.#queue.jobs().filter(({ id }) => !this.#publishing.has(id));
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
    const settleAll = (fate: (piece: Piece) => Fate): void =>
      this.#settle(job, new Map(piecesOf(job.work).map((piece) => [piece.key, fate(piece)])));
    switch (decision.kind) {
      case "take-back":
        this.#origins.send(decision.origin, { type: "cancel", job: job.id });
        return this.#queue.takeBack(job, decision.reason, {
          attempted: true,
          avoidUntil: now + this.#times().avoid,
        });
      case "give-up":
        return settleAll((piece) =>
          failed(piece, { reason: "error", message: decision.reason.slice(0, MAX_REASON) }),
        );
      case "no-origin":
        return settleAll(() => ({ kind: "no-origin" }));
      case "assign":
        this.#queue.hold(job.id, decision.origin, now);
        // Not sent: the connection is closing, and its end takes the job back.
        this.#origins.send(decision.origin, { type: "job", job: job.id, work: job.work });
    }
  }
}
