/**
 * Turns a program's output into lines that may be shown, sent and kept: bounded in length, in rate
 * and in number, without control characters.
 */
import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";

/** Longest line, characters: what a log message of the channel takes (protocol.ts). */
export const MAX_LINE = 2_000;
/**
 * Most lines passed on in one second: a person reads none of them faster, and every line is a
 * message to the edge.
 */
export const MAX_LINES_PER_SECOND = 200;
/** Most lines passed on altogether; a full build of a large package stays below. */
export const MAX_LINES = 20_000;

/**
 * Cuts bytes into lines; what is longer than MAX_LINE is cut short, and a progress bar (`\r`) shows
 * its last state.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #take: (line: string) => void;
  #open = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  write(bytes: Buffer): void {
    this.#add(this.#decoder.write(bytes));
  }

  end(): void {
    this.#add(this.#decoder.end());
    if (this.#open !== "") this.#emit();
  }

  #add(text: string): void {
    let start = 0;
    for (let stop = text.indexOf("\n"); stop !== -1; stop = text.indexOf("\n", start)) {
      this.#append(text.slice(start, stop));
      this.#emit();
      start = stop + 1;
    }
    this.#append(text.slice(start));
  }

  /** One character above the limit is kept, to know that there was more. */
  #append(text: string): void {
    this.#open = (this.#open + text).slice(0, 2 * MAX_LINE + 1);
  }

  #emit(): void {
    const shown = clean(this.#open.replace(/\r$/, "").replace(/^.*\r/s, ""));
    this.#open = "";
    this.#take(shown.length > MAX_LINE ? `${shown.slice(0, MAX_LINE - 1)}…` : shown);
  }
}

/** Text without colours and other control characters; a tab becomes a space. */
export function clean(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll("\t", " ")
    .replace(/\p{Cc}/gu, "");
}

/**
 * A gate for log lines: lets through what the limits above allow and says how many it held back.
 */
export function logGate(
  log: (line: string) => void,
  now: () => number = Date.now,
): { write(line: string): void; end(): void } {
  let second = 0;
  let inSecond = 0;
  let passed = 0;
  let held = 0;
  const confess = (): void => {
    if (held > 0) log(`(${held} lines left out)`);
    held = 0;
  };
  return {
    write(line) {
      const current = Math.floor(now() / 1_000);
      if (current !== second) {
        second = current;
        inSecond = 0;
      }
      if (inSecond >= MAX_LINES_PER_SECOND || passed >= MAX_LINES) {
        held += 1;
        return;
      }
      confess();
      inSecond += 1;
      passed += 1;
      log(line);
    },
    end: confess,
  };
}

/** Keeps the last `limit` lines. */
export class Tail {
  readonly #limit: number;
  #lines: string[] = [];

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(line: string): void {
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#limit) this.#lines = this.#lines.slice(-this.#limit);
  }

  get lines(): string[] {
    return this.#lines.slice(-this.#limit);
  }
}
