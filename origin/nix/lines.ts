/** A program's output as lines of limited length, without control characters. */
import { StringDecoder } from "node:string_decoder";
import { stripVTControlCharacters } from "node:util";

/** Longest line, characters: that of the channel's messages (edge/contract/messages.ts). */
export const MAX_LINE = 2_000;

/**
 * Splits bytes into lines. A longer line than MAX_LINE is cut, with `…` at its end; of a progress
 * bar (`\r`) the last state is kept. Needs little memory however long a line is.
 */
export class LineSplitter {
  readonly #decoder = new StringDecoder("utf8");
  readonly #take: (line: string) => void;
  #open = "";

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  write(bytes: Buffer): void {
    const [first = "", ...others] = this.#decoder.write(bytes).split("\n");
    this.#append(first);
    for (const text of others) {
      this.#emit();
      this.#append(text);
    }
  }

  end(): void {
    this.#append(this.#decoder.end());
    if (this.#open !== "") this.#emit();
  }

  /** Keeps more than MAX_LINE, since colours and earlier states of a progress bar are removed. */
  #append(text: string): void {
    this.#open = (this.#open + text).slice(0, 2 * MAX_LINE + 1);
  }

  #emit(): void {
    const line = clean(this.#open.replace(/\r$/, "").replace(/^.*\r/s, ""));
    this.#open = "";
    this.#take(line.length > MAX_LINE ? `${line.slice(0, MAX_LINE - 1)}…` : line);
  }
}

/** Text without colours and other control characters; a tab becomes a space. */
function clean(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll("\t", " ")
    .replace(/\p{Cc}/gu, "");
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
    if (this.#lines.length > 2 * this.#limit) this.#lines = this.lines;
  }

  get lines(): string[] {
    return this.#lines.slice(-this.#limit);
  }
}
