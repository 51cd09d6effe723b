/**
 * The whole log of a build that is kept for its readers, characters: the last lines matter most,
 * and a log may be endless.
 */
export const MAX_LOG = 1_000_000;

/** The end of a log, bounded in characters. */
export class LogTail {
  readonly #limit: number;
  #lines: string[] = [];
  #size = 0;
  #dropped = 0;

  constructor(limit = MAX_LOG) {
    this.#limit = limit;
  }

  get empty(): boolean {
    return this.#lines.length === 0;
  }

  add(line: string): void {
    this.#lines.push(line);
    this.#size += line.length + 1;
    // Dropped in bulk: taking one line off the front for each that comes would cost the length of
    // the log every time.
    if (this.#size > 2 * this.#limit) this.#trim();
  }

  text(): string {
    this.#trim();
    const head = this.#dropped === 0 ? [] : [`(${this.#dropped} earlier lines left out)`];
    return `${[...head, ...this.#lines].join("\n")}\n`;
  }

  #trim(): void {
    let keep = this.#lines.length;
    let size = 0;
    while (keep > 0) {
      const next = size + (this.#lines[keep - 1] ?? "").length + 1;
      if (next > this.#limit) break;
      size = next;
      keep -= 1;
    }
    this.#dropped += keep;
    this.#lines = this.#lines.slice(keep);
    this.#size = size;
  }
}
