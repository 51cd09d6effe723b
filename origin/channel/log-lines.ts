/**
 * Nix's output on its way to the edge: in batches, bounded; a build that talks too much is cut
 * short here, and whole in its log.
 */

/**
 * Lines are sent this often, ms: often enough to watch, seldom enough to let the Farm object sleep.
 */
const INTERVAL = 500;
/** Most lines in one message, and in one interval (contract/messages.ts). */
const MAX_LINES = 100;
/** Longest line, characters (contract/messages.ts). */
const MAX_LINE = 2_000;

export class LogLines {
  readonly #send: (lines: string[]) => void;
  #lines: string[] = [];
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(send: (lines: string[]) => void) {
    this.#send = send;
  }

  add(line: string): void {
    // One place is kept for the note about the dropped ones.
    if (this.#lines.length >= MAX_LINES - 1) this.#dropped += 1;
    else this.#lines.push(line.slice(0, MAX_LINE));
    this.#timer ??= setTimeout(() => this.flush(), INTERVAL);
  }

  /** Sends what there is now; also the last thing to do with it. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    const lines =
      this.#dropped === 0 ? this.#lines : [...this.#lines, `… ${this.#dropped} lines left out`];
    this.#lines = [];
    this.#dropped = 0;
    this.#send(lines);
  }
}
