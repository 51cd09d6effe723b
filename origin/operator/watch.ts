/** A text that is made again and again, shown in place on a terminal, until the signal aborts. */
import type { WriteStream } from "node:tty";
import { setTimeout as sleep } from "node:timers/promises";
import { aborted } from "../stop-signal.ts";

/** The terminal's other screen, without a cursor; and back (xterm's control sequences). */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const CLEAR_LINE = "\u001b[K";
const CLEAR_BELOW = "\u001b[J";

export interface WatchOptions {
  readonly terminal: Pick<WriteStream, "write" | "columns" | "rows">;
  /** Milliseconds between two. */
  readonly every: number;
  readonly signal: AbortSignal;
  /** Lines no wider than the terminal. */
  readonly make: (width: number) => Promise<readonly string[]>;
}

/**
 * Shows the text until the signal aborts. While it cannot be made, the last one stays below the
 * error.
 */
export async function watch({ terminal, every, signal, make }: WatchOptions): Promise<void> {
  let lines = await make(terminal.columns);
  terminal.write(ENTER);
  try {
    for (let trouble = ""; !signal.aborted;) {
      const all = trouble === "" ? lines : [trouble.slice(0, terminal.columns), "", ...lines];
      const shown = all.slice(0, Math.max(1, terminal.rows - 1));
      terminal.write(HOME + shown.map((line) => `${line}${CLEAR_LINE}\n`).join("") + CLEAR_BELOW);
      await sleep(every, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const made = make(terminal.columns).then(
        (made) => {
          lines = made;
          return "";
        },
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      // Who leaves does not wait for an edge that hangs: another Ctrl-C would leave the terminal
      // so.
      trouble = await Promise.race([made, aborted(signal).then(() => "")]);
    }
  } finally {
    terminal.write(LEAVE);
  }
}
