/**
 * How far a command is, on standard error. In a terminal one line at the bottom is written over and
 * over, with a bar where the end is known; elsewhere each step is a line, once, and bars are left
 * out. Standard output is the result's alone.
 */
import { stripVTControlCharacters, styleText } from "node:util";
import { cut, plain, size } from "../operator/table.ts";

export interface Progress {
  /** What is being done now, in a few words. */
  step(text: string): void;
  /** What of it, as it comes: shown in a terminal alone. */
  detail(text: string): void;
  /** Bytes done, of all. */
  bytes(done: number, total: number): void;
  /** A line that stays. */
  note(line: string): void;
  /** Ends it: the terminal's line is cleared. */
  end(): void;
}

type Terminal = Pick<NodeJS.WriteStream, "write" | "isTTY" | "columns">;

const BAR = 24;
/** Redraws at most so often, ms: more would cost more than what it tells. */
const REDRAW = 80;
const CLEAR = "\r\u001b[2K";

/** `[######----]  42 %  120 MB of 284 MB`. */
export function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * BAR);
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return (
    `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${percent} %  ` +
    `${size(done)} of ${size(total)}`
  );
}

export function openProgress(stream: Terminal = process.stderr): Progress {
  return stream.isTTY ? new TerminalProgress(stream) : new LinesProgress(stream);
}

class LinesProgress implements Progress {
  readonly #stream: Terminal;
  #last = "";

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  step(text: string): void {
    if (text === this.#last) return;
    this.#last = text;
    this.note(text);
  }

  detail(): void {}
  bytes(): void {}

  note(line: string): void {
    this.#stream.write(`firn: ${line}\n`);
  }

  end(): void {}
}

class TerminalProgress implements Progress {
  readonly #stream: Terminal;
  #step = "";
  #detail = "";
  #timer: NodeJS.Timeout | undefined;
  #drawnAt = 0;
  #isDrawn = false;

  constructor(stream: Terminal) {
    this.#stream = stream;
  }

  step(text: string): void {
    this.#step = text;
    this.#detail = "";
    this.#soon();
  }

  detail(text: string): void {
    this.#detail = plain(stripVTControlCharacters(text));
    this.#soon();
  }

  bytes(done: number, total: number): void {
    this.#detail = bar(done, total);
    this.#soon();
  }

  note(line: string): void {
    this.#stream.write(`${this.#isDrawn ? CLEAR : ""}firn: ${line}\n`);
    if (this.#isDrawn) this.#soon();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isDrawn) this.#stream.write(CLEAR);
    this.#isDrawn = false;
  }

  #soon(): void {
    const wait = this.#drawnAt + REDRAW - Date.now();
    if (wait <= 0 && this.#timer === undefined) return this.#draw();
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, wait).unref();
  }

  #draw(): void {
    this.#drawnAt = Date.now();
    this.#isDrawn = true;
    const width = Math.max(20, (this.#stream.columns ?? 80) - 1);
    const step = cut(this.#step, width);
    const detail = cut(this.#detail, Math.max(0, width - step.length - 2));
    // styleText honours NO_COLOR, NODE_DISABLE_COLORS and FORCE_COLOR.
    const dim = detail === "" ? "" : `  ${styleText("dim", detail, { stream: process.stderr })}`;
    this.#stream.write(`${CLEAR}${step}${dim}`);
  }
}
