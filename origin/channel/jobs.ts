/**
 * The jobs of one channel: runs them, within the origin's slots, and keeps what became of them
 * until the edge has it.
 */
import type { Logger } from "pino";
import * as v from "valibot";
import {
  type Failure,
  FailureSchema,
  type FromOrigin,
  MAX_MESSAGE,
  type Result,
  ResultSchema,
  type Work,
} from "../../edge/contract/messages.ts";
import { LogLines } from "./log-lines.ts";
import type { Slots } from "./slots.ts";

/**
 * What a job may use. `signal` aborts when nobody wants the job any more; `log` takes one line of
 * output; `zstd`: make zstd layers beside gzip ones.
 */
export interface RunContext {
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  readonly zstd: boolean;
}

/**
 * Does a piece of work. Throws an error with a `failure` (protocol.ts) for what the work cannot be;
 * any other error is the origin's own trouble.
 */
export type Run = (work: Work, context: RunContext) => Promise<Result>;

type Ending = Extract<FromOrigin, { type: "done" | "failed" }>;

interface Job {
  readonly abort: AbortController;
  readonly lines: LogLines;
  /** Resolves when the run is over, however. */
  ended: Promise<void>;
  ending?: Ending;
}

/** Longest message of a failure or a refusal (protocol.ts). */
const MAX_TEXT = 2_000;

export interface JobsOptions {
  readonly run: Run;
  readonly slots: Slots;
  readonly logger: Logger;
  /**
   * Sends now or never: what is said while there is no connection is lost, but for endings, which
   * are said again.
   */
  readonly send: (message: FromOrigin) => void;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<string, Job>();
  /** Why it takes no more jobs. */
  #closed: string | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Jobs that run, or whose ending the edge has not confirmed. */
  ids(): string[] {
    return [...this.#jobs.keys()];
  }

  start(id: string, work: Work, zstd: boolean): void {
    const { run, slots, logger, send } = this.#options;
    const known = this.#jobs.get(id);
    if (known !== undefined) {
      send({ type: "accepted", job: id });
      if (known.ending !== undefined) send(known.ending);
      return;
    }
    if (this.#closed !== undefined)
      return send({ type: "refused", job: id, message: this.#closed });
    const release = slots.take();
    if (release === undefined)
      return send({ type: "refused", job: id, message: `all ${slots.total} slots are taken` });

    const abort = new AbortController();
    const lines = new LogLines((batch) => send({ type: "log", job: id, lines: batch }));
    const job: Job = { abort, lines, ended: Promise.resolve() };
    this.#jobs.set(id, job);
    send({ type: "accepted", job: id });
    logger.info({ job: id, work: summary(work) }, "job begun");
    const begun = Date.now();
    job.ended = (async (): Promise<void> => {
      const ending = await outcome(id, () =>
        run(work, { signal: abort.signal, log: (line) => lines.add(line), zstd }),
      ).finally(release);
      lines.flush();
      // Cancelled or handed back: nobody waits for it.
      if (this.#jobs.get(id) !== job) return;
      const ms = Date.now() - begun;
      if (ending.type === "done") logger.info({ job: id, ms }, "job done");
      else
        logger.warn(
          { job: id, ms, failure: ending.failure.reason, message: ending.failure.message },
          "job failed",
        );
      job.ending = ending;
      send(ending);
    })();
  }

  /** Says every unconfirmed ending again, on a new connection. */
  repeat(): void {
    for (const { ending } of this.#jobs.values())
      if (ending !== undefined) this.#options.send(ending);
  }

  /** The edge has the ending. */
  settled(id: string): void {
    const job = this.#jobs.get(id);
    if (job?.ending === undefined) return this.cancel(id);
    this.#jobs.delete(id);
  }

  /** Nobody wants it from here any more. */
  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    job.abort.abort(new Error("the edge cancelled the job"));
    if (job.ending === undefined) this.#options.logger.info({ job: id }, "job cancelled");
  }

  /**
   * Takes no more; finishes what runs within `ms` and hands back the rest; returns when nothing
   * runs any more and every ending was confirmed, or the time is over.
   */
  async drain(why: string, ms: number, confirmMs: number): Promise<void> {
    this.#closed = why;
    await within(
      ms,
      () => [...this.#jobs.values()].every(({ ending }) => ending !== undefined),
      () => Promise.all([...this.#jobs.values()].map(({ ended }) => ended)),
    );
    const handedBack: Promise<void>[] = [];
    for (const [id, job] of this.#jobs) {
      if (job.ending !== undefined) continue;
      this.#options.send({ type: "refused", job: id, message: why.slice(0, MAX_TEXT) });
      this.#jobs.delete(id);
      job.abort.abort(new Error(why));
      handedBack.push(job.ended);
      this.#options.logger.info({ job: id }, "job handed back");
    }
    await within(
      confirmMs,
      () => false,
      () => Promise.all(handedBack),
    );
    for (const until = Date.now() + confirmMs; this.#jobs.size > 0 && Date.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits for the work, at most `ms`, unless it is over already. */
async function within(
  ms: number,
  over: () => boolean,
  work: () => Promise<unknown>,
): Promise<void> {
  if (over()) return;
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([work(), new Promise((resolve) => (timer = setTimeout(resolve, ms)))]);
  clearTimeout(timer);
}

/** Runs, and says how it ended in a form that the edge will take. Never rejects. */
async function outcome(job: string, run: () => Promise<Result>): Promise<Ending> {
  try {
    const result = v.safeParse(ResultSchema, await run());
    if (!result.success) {
      const [issue] = result.issues;
      return failed(
        job,
        `this origin made a result that is not valid: ${v.getDotPath(issue) ?? "result"}: ${issue.message}`,
      );
    }
    const done: Ending = { type: "done", job, result: result.output };
    return JSON.stringify(done).length <= MAX_MESSAGE
      ? done
      : failed(job, `the result is longer than a message may be (${MAX_MESSAGE} characters)`);
  } catch (error) {
    const failure = v.safeParse(FailureSchema, (error as { failure?: Failure } | null)?.failure);
    return failure.success
      ? { type: "failed", job, failure: failure.output }
      : failed(job, error instanceof Error ? error.message : String(error));
  }
}

const failed = (job: string, message: string): Ending => ({
  type: "failed",
  job,
  failure: { reason: "error", message: message.slice(0, MAX_TEXT) },
});

const summary = (work: Work): string =>
  work.kind === "resolve"
    ? `resolve ${work.tag}`
    : `publish ${work.items.map(({ name, level }) => (level === undefined ? name : `${name}~${level}`)).join(" ")}`;
