/**
 * The progress of a command, on standard error; standard output has the result alone. A terminal
 * has one line that is redrawn, with a bar when the total is known. Elsewhere each step is a line,
 * and there are no bars.
 */
import { stripVTControlCharacters, styleText } from "node:util";
import { cut, plain, size } from "../operator/table.ts";

export interface Progress {
  /** The current step, in a few words. */
  step(text: string): void;
  /** Details of the step, for a terminal alone. */
  detail(text: string): void;
  /** Bytes that are done, and that are to be done in all. */
  bytes(done: number, total: number): void;
  /** A line that stays. */
  note(line: string): void;
  /** Ends it: the terminal's line is cleared. */
  end(): void;
}

type Terminal = Pick<NodeJS.WriteStream, "write" | "isTTY" | "columns">;

const BAR = 24;
/** Shortest time between two redraws, ms. */
const REDRAW = 80;
const CLEAR = "\r\u001b[2K";

/** A progress bar: `[######----]  42 %  120 MB of 284 MB`. */
export function bar(done: number, total: number): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const filled = Math.round(share * BAR);
  const percent = `${Math.floor(share * 100)}`.padStart(3);
  return (
    `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${percent} %  ` +
    `${size(done)} of ${size(total)}`
  );
}

/** The progress for a stream: redrawn in a terminal, else as lines. */
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
