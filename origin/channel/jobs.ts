/**
 * The jobs of one channel: runs them, within the origin's slots, and keeps their results until the
 * edge has them.
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
  /** Adds the job and its build to every line. */
  readonly logger: Logger;
  /** Resolves when the run is over, however it ended. */
  ended: Promise<void>;
  ending?: Ending;
  /** How often the edge's bucket failed to take the ending. */
  repeats: number;
  /** When the ending is sent again. */
  again?: NodeJS.Timeout;
}

/** An ending that the edge has not confirmed after this time is sent again, milliseconds. */
const UNCONFIRMED = 15_000;

/**
 * Jobs whose results an edge has not taken, at most: each holds its results, and garbage collector
 * roots of what it built. An edge that is well takes them within a second.
 */
const MAX_UNSETTLED = 256;

export interface JobsOptions {
  readonly run: Run;
  readonly slots: Slots;
  readonly logger: Logger;
  /**
   * Sends now or never: what is sent without a connection is lost, except for endings, which are
   * sent again.
   */
  readonly send: (message: FromOrigin) => void;
  readonly requests: Requests;
}

export class Jobs {
  readonly #options: JobsOptions;
  readonly #jobs = new Map<string, Job>();
  readonly #tagSlots = new Slots(TAG_SLOTS);
  /** Why it takes no more jobs: it stops. */
  #closed: string | undefined;
  /** Why it takes no jobs for now. */
  #paused: string | undefined;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Jobs that are running, or whose ending the edge has not confirmed. */
  ids(): string[] {
    return [...this.#jobs.keys()];
  }

  /** Takes no jobs for this reason, until it is undefined. */
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
    // Tags have slots of their own, so that a pull that waits for a tag does not wait for builds.
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
      // Cancelled or handed back: nobody waits for it.
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

  /** Why it takes no jobs of an edge that takes no results. */
  #unsettled(): string | undefined {
    const ended = [...this.#jobs.values()].filter(({ ending }) => ending !== undefined).length;
    return ended < MAX_UNSETTLED
      ? undefined
      : `the edge has not taken the results of ${ended} jobs`;
  }

  /**
   * Reports how a job ended, and again until the edge confirms it: a message may get lost even when
   * the connection survives.
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
   * The job while it runs, otherwise any that does: a layer that two jobs want is made once, for
   * the job that asked first, and continues for the other one.
   */
  #running(id: string): string {
    const job = this.#jobs.get(id);
    if (job !== undefined && job.ending === undefined) return id;
    return [...this.#jobs].find(([, { ending }]) => ending === undefined)?.[0] ?? id;
  }

  /** Somebody follows the job's log at the edge, or nobody does any more. */
  follow(id: string, on: boolean): void {
    this.#jobs.get(id)?.log.follow(on);
  }

  /**
   * On a new connection: sends every unconfirmed ending again; the edge says again what is
   * followed.
   */
  repeatAll(): void {
    for (const { ending, log } of this.#jobs.values()) {
      log.follow(false);
      if (ending !== undefined) this.#options.send(ending);
    }
  }

  /** The edge could not store the results: they are sent again later. */
  repeat(id: string): void {
    const job = this.#jobs.get(id);
    const ending = job?.ending;
    if (job === undefined || ending === undefined) return;
    job.repeats += 1;
    const wait = backoff(job.repeats, Math.random());
    job.logger.warn({ ms: wait }, "the edge's bucket did not take the results");
    this.#tellIn(wait, id, job, ending);
  }

  /** The edge has the ending. */
  settled(id: string): void {
    const job = this.#jobs.get(id);
    if (job?.ending === undefined) return this.cancel(id);
    this.#jobs.delete(id);
    job.settled.abort();
  }

  /** Nobody wants it from here any more. */
  cancel(id: string): void {
    const job = this.#jobs.get(id);
    if (job === undefined) return;
    this.#jobs.delete(id);
    job.abort.abort(new Error("the edge cancelled the job"));
    if (job.ending !== undefined) job.settled.abort();
    else job.logger.info("job cancelled");
  }

  /**
   * Takes no more jobs, finishes running ones within `ms`, and hands back the rest. Returns when
   * nothing runs and every ending is confirmed; those that are not confirmed within `confirmMs` are
   * handed back too.
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

/** Waits for the work, at most `ms`, unless it is already over. */
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
