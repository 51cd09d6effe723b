/**
 * The output of a job (mostly Nix's), for people who follow it at the edge. While nobody does,
 * nothing is sent; a new follower first gets the last lines. Lines are numbered, so that the edge
 * knows which ones it has and which were left out: those of a build that writes faster than lines
 * may be sent.
 */

/** Time between two messages, ms: each costs the Farm object a request. */
const INTERVAL = 500;
/** Most lines in a message (contract/messages.ts), of which each interval has one. */
const MAX_LINES = 100;
/** Longest line, characters (contract/messages.ts). */
const MAX_LINE = 2_000;
/** Lines that are kept: at most 2 MB. */
const KEPT_LINES = 1_000;

/** The log of one job. */
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

  /** `send` takes lines, and the number of the first of them. */
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

  /** Begins to send lines, from the first one kept; or ceases to, when nobody follows any more. */
  follow(on: boolean): void {
    this.#next = 0;
    this.#followed = on;
    this.#schedule();
  }

  /** To be called when the job is over: sends the remaining lines, and then nothing more. */
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
