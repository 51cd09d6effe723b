/** workerd as a process: it answers when this resolves, and cannot outlive this process. */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { execa } from "execa";
import workerd from "workerd";
import { tied } from "../process-tie.ts";

/** A line that the Worker wrote to its console, or that workerd wrote itself. */
export interface EdgeLog {
  readonly level: string;
  readonly message: string;
}

export interface WorkerdOptions {
  /** The configuration (workerd-config.ts). */
  readonly configFile: string;
  /** What each socket listens on: `HOST:PORT`, or INHERITED. */
  readonly sockets: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly log: (line: EdgeLog) => void;
}

export interface Workerd {
  /** Resolves when it ended without having been stopped, with how. */
  readonly ended: Promise<string>;
  /** Answers what it is asked already, for DRAIN_MS at most, and ends. */
  stop(): Promise<void>;
}

/** A socket that listens already, as descriptor 3 of this process: how systemd hands one over. */
export const INHERITED = "inherited";
/** workerd's own line of events. */
const CONTROL = 4;
/**
 * How long answers that have begun may go on, milliseconds. Connections that come meanwhile wait,
 * so this is also the longest that a restart is felt; a pull that waits for a build is cut off, and
 * finds its build again when it is tried again.
 */
const DRAIN_MS = 3_000;
/** Longest wait until it listens, milliseconds: it compiles the Worker in a tenth of a second. */
const START_MS = 30_000;

/** Throws when it does not come to listen on all its sockets, with what it said. */
export async function startWorkerd(options: WorkerdOptions): Promise<Workerd> {
  const isInherited = Object.values(options.sockets).includes(INHERITED);
  const listening = Object.entries(options.sockets).map(([name, socket]) =>
    socket === INHERITED ? `--socket-fd=${name}=3` : `--socket-addr=${name}=${socket}`,
  );
  const [program, ...args] = tied("KILL", [
    workerd.default,
    "serve",
    `--control-fd=${CONTROL}`,
    ...listening,
    options.configFile,
  ]);
  const child = execa(program, args, {
    env: options.env,
    extendEnv: false,
    stdio: ["ignore", "pipe", "pipe", isInherited ? "inherit" : "ignore", "pipe"],
    buffer: false,
    reject: false,
    // Ctrl-C reaches this process alone, which then stops things in order.
    detached: true,
    forceKillAfterDelay: DRAIN_MS,
  });
  const last: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    lines(stream, (text) => {
      last.push(text);
      last.splice(0, last.length - 20);
      options.log(readLog(text));
    });
  const isListening = Promise.withResolvers<void>();
  const waiting = new Set(Object.keys(options.sockets));
  lines(child.stdio[CONTROL] as Readable, (text) => {
    const event = JSON.parse(text) as { event: string; socket?: string };
    if (event.event === "listen") waiting.delete(event.socket ?? "");
    if (waiting.size === 0) isListening.resolve();
  });
  let isStopping = false;
  const exit = child.then(({ signal, exitCode, shortMessage }) =>
    String(signal ?? (exitCode === undefined ? shortMessage : `exit code ${exitCode}`)),
  );
  const timer = setTimeout(
    () => isListening.reject(new Error(`workerd does not listen after ${START_MS / 1_000} s`)),
    START_MS,
  );
  try {
    await Promise.race([
      isListening.promise,
      exit.then((how) => {
        throw new Error(`workerd ended (${how}): ${last.join("\n")}`);
      }),
    ]);
  } catch (error) {
    child.kill("SIGKILL");
    await exit;
    throw error;
  } finally {
    clearTimeout(timer);
  }
  return {
    ended: exit.then((how) => (isStopping ? new Promise<string>(() => {}) : how)),
    async stop() {
      isStopping = true;
      child.kill("SIGTERM");
      await exit;
    },
  };
}

function lines(stream: Readable, take: (line: string) => void): void {
  createInterface(stream).on("line", (line) => line.trim() !== "" && take(line));
}

/** A line of structured logging; what workerd says before that is set up is an error. */
function readLog(text: string): EdgeLog {
  try {
    const { level, message } = JSON.parse(text) as EdgeLog;
    if (typeof level === "string" && typeof message === "string") return { level, message };
  } catch {
    // Not JSON: handed on as it is.
  }
  return { level: "error", message: text };
}
