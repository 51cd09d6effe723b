/** The log of a build: which lines are passed on while it runs, and which are kept. */

/** Most lines passed on in one second: the edge gets all of them. */
export const MAX_LINES_PER_SECOND = 200;
/** Most lines passed on in all; builds of large packages write fewer. */
export const MAX_LINES = 20_000;
/** Size of what is kept of a log, its last lines, characters. */
const MAX_LOG = 1_000_000;

/**
 * Passes lines on to `log` within the limits above, with a line in place of those left out. `end`
 * is to be called after the last line.
 */
export function limitLog(
  log: (line: string) => void,
  now: () => number = Date.now,
): { write(line: string): void; end(): void } {
  let second = 0;
  let inSecond = 0;
  let passed = 0;
  let omitted = 0;
  const reportOmitted = (): void => {
    if (omitted > 0) log(`(${omitted} lines left out)`);
    omitted = 0;
  };
  return {
    write(line) {
      const current = Math.floor(now() / 1_000);
      if (current !== second) {
        second = current;
        inSecond = 0;
      }
      if (inSecond >= MAX_LINES_PER_SECOND || passed >= MAX_LINES) {
        omitted += 1;
        return;
      }
      reportOmitted();
      inSecond += 1;
      passed += 1;
      log(line);
    },
    end: reportOmitted,
  };
}

/** Keeps the last lines of a log, `limit` characters of them. */
export class LogTail {
  readonly #limit: number;
  #lines: string[] = [];
  #size = 0;
  #omitted = 0;

  constructor(limit = MAX_LOG) {
    this.#limit = limit;
  }

  get empty(): boolean {
    return this.#lines.length === 0;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#size += line.length + 1;
    // Trimmed in bulk: removing the first line of a long array for each new one would be slow.
    if (this.#size > 2 * this.#limit) this.#trim();
  }

  /** The lines kept, after a line that says how many earlier ones were left out. */
  text(): string {
    this.#trim();
    const head = this.#omitted === 0 ? [] : [`(${this.#omitted} earlier lines left out)`];
    return `${[...head, ...this.#lines].join("\n")}\n`;
  }

  #trim(): void {
    let first = 0;
    for (; this.#size > this.#limit; first += 1)
      this.#size -= (this.#lines[first]?.length ?? 0) + 1;
    this.#omitted += first;
    this.#lines = this.#lines.slice(first);
  }
}
