/** `npm start` as a process, as a person meets it; it does not outlive the test's own process. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tied } from "../../origin/process-tie.ts";

export const ROOT = join(import.meta.dirname, "../..");
const COMMAND = [process.execPath, join(ROOT, "origin/main.ts"), "start"];
/** How long it may take to say something, milliseconds. */
const LINE_LIMIT = 120_000;

export class StartProcess {
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly #waiting = new Set<() => void>();

  constructor(env: Readonly<Record<string, string>>, [first = "", ...rest] = COMMAND) {
    const [program, ...args] = tied("TERM", [first, ...rest]);
    this.child = spawn(program, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on("line", (line) => {
        this.lines.push(line);
        for (const look of this.#waiting) look();
      });
    }
    this.child.once("close", () => {
      for (const look of this.#waiting) look();
    });
  }

  /**
   * The first line that matches, or the `nth` one; throws with everything said when the process
   * ends without it, or when it does not come within LINE_LIMIT.
   */
  line(pattern: RegExp, nth = 1): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const look = (): void => {
      const found = this.lines.filter((line) => pattern.test(line))[nth - 1];
      if (found !== undefined) resolve(found);
      else if (this.child.exitCode !== null || this.child.signalCode !== null)
        reject(new Error(`it ended without ${pattern}:\n${this.lines.join("\n")}`));
    };
    const timer = setTimeout(
      () =>
        reject(new Error(`${LINE_LIMIT / 1000} s without ${pattern}:\n${this.lines.join("\n")}`)),
      LINE_LIMIT,
    );
    this.#waiting.add(look);
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }

  /** `http://127.0.0.1:…` of the line that says that pulls work. */
  async ready(): Promise<string> {
    return (await this.line(/^ready: /)).slice("ready: ".length);
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = once(this.child, "close");
      this.child.kill(signal);
      await closed;
    }
    return this.child.exitCode;
  }
}
