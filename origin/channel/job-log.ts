/**
 * A job's output (mostly Nix's), kept for whoever follows it at the edge. Nothing crosses the
 * channel while nobody does; a follower that comes later first gets the last lines. Lines are
 * numbered, so that the edge can tell which it already has and which were left out: a build that
 * writes faster than it may send loses lines here, but none in its log.
 */

/** Lines are sent this often, ms: often enough to watch, rarely enough for a Farm object. */
const INTERVAL = 500;
/** Most lines in one message, and in one interval (contract/messages.ts). */
const MAX_LINES = 100;
/** Longest line, characters (contract/messages.ts). */
const MAX_LINE = 2_000;
/** Lines that are kept: of 2 MB at most, a few screens in practice. */
const KEPT_LINES = 1_000;

export class JobLog {
  readonly #send: (first: number, lines: string[]) => void;
  /** The last lines. */
  #lines: string[] = [];
  /** Number of the first of them, from 0. */
  #first = 0;
  /** Number of the next line to be sent. */
  #next = 0;
  #followed = false;
  #timer: NodeJS.Timeout | undefined;

  /** `send`: lines, and the number of the first of them. */
  constructor(send: (first: number, lines: string[]) => void) {
    this.#send = send;
  }

  add(line: string): void {
    this.#lines.push(line.slice(0, MAX_LINE));
    if (this.#lines.length > KEPT_LINES) {
      this.#lines.shift();
      this.#first += 1;
    }
    this.#schedule();
  }

  /** Somebody follows the job, and gets the kept lines; or nobody follows it any more. */
  follow(on: boolean): void {
    this.#next = 0;
    this.#followed = on;
    this.#schedule();
  }

  /** The job is over: sends the remaining lines, and then nothing more. */
  end(): void {
    while (this.#followed && this.#sendBatch());
    this.#followed = false;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    if (!this.#followed || this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#followed && this.#sendBatch()) this.#schedule();
    }, INTERVAL);
  }

  /** Sends at most one message; false when there is nothing to send. */
  #sendBatch(): boolean {
    const first = Math.max(this.#first, this.#next);
    const lines = this.#lines.slice(first - this.#first, first - this.#first + MAX_LINES);
    if (lines.length === 0) return false;
    this.#next = first + lines.length;
    this.#send(first, lines);
    return true;
  }
}
