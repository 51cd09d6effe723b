/**
 * An origin as a process of its own, kept running: what `npm start` has beside its edge, and tests
 * have several of.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { canTie } from "./workerd.ts";

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
/**
 * A stopped origin finishes its jobs or hands them back; after this long it is killed,
 * milliseconds.
 */
const STOP_GRACE = 20_000;
/**
 * Waits before a dead origin is started again, milliseconds: doubled each time, back to the first
 * once it has lived for HEALTHY.
 */
const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const HEALTHY = 60_000;

export interface OriginProcessOptions {
  /** The origin's options as environment variables, over those of this process. */
  readonly env: Readonly<Record<string, string>>;
  /**
   * Every line that the origin writes: JSON (pino), or plain text from Node when it cannot even
   * start.
   */
  readonly onLine: (line: string) => void;
  /**
   * It died without being told to, and will be started again after `delay` milliseconds; null: it
   * will not be.
   */
  readonly onExit?: (how: string, delay: number | null) => void;
  /** Start it again when it dies. */
  readonly restart: boolean;
}

export interface OriginProcess {
  readonly pid: number | undefined;
  /** Lets it finish or hand back its jobs, then ends it. */
  stop(): Promise<void>;
  /** Ends it at once, as a power cut would. It is not started again. */
  kill(): Promise<void>;
}

/**
 * Starts `firn origin`. It dies with this process: by SIGTERM from the kernel where Linux has that,
 * so that it still hands back its jobs.
 */
export function startOriginProcess(options: OriginProcessOptions): OriginProcess {
  let child: ChildProcess;
  let ended = Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  let over = false;
  let delay = FIRST_DELAY;

  const start = (): void => {
    const command = [process.execPath, MAIN, "origin"];
    const [program = "", ...args] = canTie
      ? ["setpriv", "--pdeathsig", "TERM", "--", ...command]
      : command;
    // A process group of its own: Ctrl-C in the terminal reaches the parent alone, which then stops
    // everything in order.
    child = spawn(program, args, {
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    const started = performance.now();
    const lines = [child.stdout, child.stderr].map((stream) => readLines(stream, options.onLine));
    ended = new Promise<void>((resolve) => {
      const onEnd = (how: string): void => {
        void Promise.all(lines).then(() => resolve());
        if (over) return;
        if (performance.now() - started > HEALTHY) delay = FIRST_DELAY;
        options.onExit?.(how, options.restart ? delay : null);
        if (!options.restart) return;
        timer = setTimeout(start, delay);
        delay = Math.min(delay * 2, LONGEST_DELAY);
      };
      child.once("error", (error) => onEnd(error.message));
      child.once("exit", (code, signal) => onEnd(signal === null ? `exit code ${code}` : signal));
    });
  };
  start();

  const end = async (signal: NodeJS.Signals): Promise<void> => {
    over = true;
    clearTimeout(timer);
    const running = child.exitCode === null && child.signalCode === null && child.pid !== undefined;
    if (running) child.kill(signal);
    const killer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE);
    await ended;
    clearTimeout(killer);
  };
  return {
    get pid() {
      return child.pid;
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
  };
}

async function readLines(stream: Readable | null, onLine: (line: string) => void): Promise<void> {
  if (stream === null) return;
  for await (const line of createInterface({ input: stream })) if (line.trim() !== "") onLine(line);
}
