/**
 * The jobs of one channel: runs them within the origin's slots, and keeps each ending (the results,
 * or why there are none) until the edge has confirmed it.
 */
import type { Logger } from "pino";
import { type FromEdge, type FromOrigin, TAG_SLOTS } from "../../edge/contract/messages.ts";
import { backoff } from "./backoff.ts";
import { type Ending, endingOf, MAX_TEXT } from "./ending.ts";
import { failuresInWords, itemInWords } from "./in-words.ts";
import { JobLog } from "./job-log.ts";
import type { Requests } from "./requests.ts";
import type { EdgeTerms, Run } from "./run.ts";
import { Slots } from "./slots.ts";

type JobMessage = Extract<FromEdge, { type: "job" }>;

interface Job {
  readonly abort: AbortController;
  readonly settled: AbortController;
  readonly log: JobLog;
  /** Its lines name the job and the build. */
  readonly logger: Logger;
  /** Resolves when the run is over, however it ended. */
  ended: Promise<void>;
  ending?: Ending;
  /** How often the edge's bucket could not store the results. */
  repeats: number;
  /** Sends the ending again. */
  again?: NodeJS.Timeout;
}

/** An ending that the edge has not confirmed after this time, ms, is sent again. */
const UNCONFIRMED = 15_000;

/**
 * Most jobs with an ending that the edge has not confirmed, which it usually does within a second.
 * Each of them holds its results in memory, and garbage collector roots of what it built.
 */
const MAX_UNSETTLED = 256;

export interface JobsOptions {
  readonly run: Run;
  readonly slots: Slots;
  readonly logger: Logger;
  /** Sends a message, which is lost without a connection; endings are sent again. */
  readonly send: (message: FromOrigin) => void;
  readonly requests: Requests;
}

/** The jobs of one channel. */
export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #tagSlots = new Slots(TAG_SLOTS);
  /** Why it takes no more jobs: the origin stops. */
  #closed: string | undefined;
  /** Why it takes no jobs at the moment. */
  #paused: string | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Jobs that run, or whose ending the edge has not confirmed. */
  ids(): string[] {
    return [...this.#jobs.keys()];
  }

  /** Refuses jobs for this reason; undefined: takes them again. */
  pause(reason: string | undefined): void {
    this.#paused = reason;
  }

  start({ job: id, items, trace }: JobMessage, terms: EdgeTerms): void {
    const { run, slots, send, requests } = this.#options;
    const known = this.#jobs.get(id);
    if (known !== undefined) {
      send({ type: "accepted", job: id });
      if (known.ending !== undefined) send(known.ending);
      return;
    }
    const why = this.#closed ?? this.#paused ?? this.#unsettled();
    if (why !== undefined) return send({ type: "refused", job: id, message: why });
    // Tags have slots of their own, so that a tag does not wait for builds.
    const places = items[0]?.kind === "tag" ? this.#tagSlots : slots;
    const release = places.take();
    if (release === undefined)
      return send({ type: "refused", job: id, message: `all ${places.total} slots are taken` });

    const abort = new AbortController();
    const settled = new AbortController();
    const log = new JobLog((first, lines) => send({ type: "log", job: id, first, lines }));
    const logger = this.#options.logger.child({ job: id, ...(trace && { build: trace }) });
    const job: Job = { abort, settled, log, logger, ended: Promise.resolve(), repeats: 0 };
    this.#jobs.set(id, job);
    send({ type: "accepted", job: id });
    logger.info({ items: items.map(itemInWords) }, "job begun");
    const begun = Date.now();
    job.ended = (async (): Promise<void> => {
      const ending = await endingOf(id, items, () =>
        run(items, {
          trace,
          signal: abort.signal,
          settled: settled.signal,
          log: (line) => log.add(line),
          ...terms,
          requests: requests.of(() => this.#running(id)),
        }),
      ).finally(release);
      log.end();
      // It was cancelled or handed back.
      if (this.#jobs.get(id) !== job) return settled.abort();
      const ms = Date.now() - begun;
      if (ending.type === "done") {
        const failed = failuresInWords(items, ending.results);
        logger.info({ ms, ...(failed.length > 0 && { failed }) }, "job done");
      } else
        logger.warn(
          { ms, failure: ending.failure.reason, message: ending.failure.message },
          "job failed",
        );
      job.ending = ending;
      this.#tell(id, job, ending);
    })();
  }

  /** Why it refuses jobs when too many endings are not confirmed. */
  #unsettled(): string | undefined {
    const ended = [...this.#jobs.values()].filter(({ ending }) => ending !== undefined).length;
    return ended < MAX_UNSETTLED
      ? undefined
      : `the edge has not taken the results of ${ended} jobs`;
  }

  /**
   * Sends how a job ended, again and again until the edge confirms it: a message may get lost even
   * when the connection does not.
   */
  #tell(id: string, job: Job, ending: Ending): void {
    this.#options.send(ending);
    this.#tellIn(UNCONFIRMED, id, job, ending);
  }

  /** Reports the ending again after `ms`, unless it has been settled by then. */
  #tellIn(ms: number, id: string, job: Job, ending: Ending): void {
    clearTimeout(job.again);
    job.again = setTimeout(() => {
      if (this.#jobs.get(id) === job) this.#tell(id, job, ending);
    }, ms).unref();
  }

  /**
   * The job while it runs, otherwise any that does. (A layer that two jobs need is made once, in
   * the name of the first, and goes on for the other when the first has ended.)
   */
  #running(id: string): string {
    const job = this.#jobs.get(id);
    if (job !== undefined && job.ending === undefined) return id;
    return [...this.#jobs].find(([, { ending }]) => ending === undefined)?.[0] ?? id;
  }

  /** Sends the job's log as it is written; or ceases to, when nobody follows it any more. */
  follow(id: string, on: boolean): void {
    this.#jobs.get(id)?.log.follow(on);
  }

  /** On a new connection: sends every unconfirmed ending. The edge says anew which logs to send. */
  repeatAll(): void {
    for (const { ending, log } of this.#jobs.values()) {
      log.follow(false);
      if (ending !== undefined) this.#options.send(ending);
    }
  }

  /** The edge could not store the results: sends them again after a growing wait. */
  repeat(id: string): void {
    const job = this.#jobs.get(id);
    const ending = job?.ending;
    if (job === undefined || ending === undefined) return;
    job.repeats += 1;
    const wait = backoff(job.repeats, Math.random());
    job.logger.warn({ ms: wait }, "the edge's bucket did not take the results");
    this.#tellIn(wait, id, job, ending);
  }

  /** The edge has confirmed the ending: forgets the job. */
  settled(id: string): void {
    const job = this.#jobs.get(id);
    if (job?.ending === undefined) return this.cancel(id);
    this.#jobs.delete(id);
    job.settled.abort();
  }

  /** Nobody wants the job of this origin any more: ends and forgets it. */
  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    job.abort.abort(new Error("the edge cancelled the job"));
    if (job.ending !== undefined) job.settled.abort();
    else job.logger.info("job cancelled");
  }

  /**
   * Takes no more jobs, lets running ones finish within `ms`, and hands back the rest. Returns when
   * nothing runs and all endings are confirmed. Jobs that are not confirmed within `confirmMs` are
   * handed back as well.
   */
  async drain(why: string, ms: number, confirmMs: number): Promise<void> {
    this.#closed = why;
    await within(
      ms,
      () => [...this.#jobs.values()].every(({ ending }) => ending !== undefined),
      () => Promise.all([...this.#jobs.values()].map(({ ended }) => ended)),
    );
    const handedBack: Promise<void>[] = [];
    const handBack = (id: string, job: Job): void => {
      this.#options.send({ type: "refused", job: id, message: why.slice(0, MAX_TEXT) });
      this.#jobs.delete(id);
      job.abort.abort(new Error(why));
      if (job.ending !== undefined) job.settled.abort();
      handedBack.push(job.ended);
      job.logger.info("job handed back");
    };
    for (const [id, job] of this.#jobs) if (job.ending === undefined) handBack(id, job);
    await within(
      confirmMs,
      () => false,
      () => Promise.all(handedBack),
    );
    for (
      const until = performance.now() + confirmMs;
      this.#jobs.size > 0 && performance.now() < until;
    )
      await new Promise((resolve) => setTimeout(resolve, 20));
    for (const [id, job] of this.#jobs) handBack(id, job);
  }
}

/** Waits for `work`, `ms` at most; not at all if `over` says that there is none. */
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
