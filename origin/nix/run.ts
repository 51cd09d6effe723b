/**
 * Runs a program (Nix, git) with execa: arguments are an array and never go through a shell, the
 * environment is the given one alone, stdout and stderr are read at the same time. On a timeout or
 * an abort, and when this process exits, the program's whole process group is ended. When this
 * process is killed, the kernel ends the program, since a build that nobody waits for would hold
 * Nix's lock on its derivation.
 *
 * Three things are done here because execa does not do them:
 *   - lines are limited in length while they are read (lines.ts); execa keeps lines of any length;
 *   - members of the group that ignore SIGTERM and hold no pipe get SIGKILL; execa sends it only
 *     until the program itself has exited;
 *   - reading ends when a process that has left the group (an SSH master connection) keeps a pipe
 *     open; execa would wait for it for ever.
 */
import type { Readable } from "node:stream";
import { execa } from "execa";
import { tied, whyNotStarted } from "../process-tie.ts";
import { LineSplitter, Tail } from "./lines.ts";

/**
 * Time between SIGTERM and SIGKILL, ms: on SIGTERM Nix ends its builders, which are process groups
 * of their own.
 */
const KILL_GRACE = 5_000;
/** Time from SIGTERM until reading ends, ms: more than KILL_GRACE. */
const PIPE_GRACE = KILL_GRACE + 1_000;
/** Largest stdout, characters: the closure of 100,000 store paths as text. */
const MAX_STDOUT = 128 * 2 ** 20;
/** Lines of stderr that the result has. */
const STDERR_LINES = 200;

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Ends the program; `run` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time that it may take, in whole ms; default: no limit. */
  readonly timeout?: number | undefined;
  readonly cwd?: string | undefined;
  /** Takes every line of stderr as it comes. */
  readonly onLine?: ((line: string) => void) | undefined;
  /** Takes every line of stdout as it comes, instead of `stdout` in the result. */
  readonly onOutput?: ((line: string) => void) | undefined;
}

export interface RunResult {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signalName: string | null;
  readonly stdout: string;
  /** The last lines of stderr. */
  readonly stderr: readonly string[];
  readonly timedOut: boolean;
}

/**
 * Runs a program to its end, whatever its exit code. Throws an Error when it cannot be started or
 * its stdout is too long, and the signal's reason when the signal aborts.
 */
export async function run(
  command: string,
  args: readonly string[],
  { env, signal, timeout, cwd, onLine, onOutput }: RunOptions,
): Promise<RunResult> {
  signal?.throwIfAborted();
  const [program, ...words] = tied("TERM", [command, ...args]);
  const child = execa(program, words, {
    env,
    extendEnv: false,
    cwd: cwd ?? process.cwd(),
    stdin: "ignore",
    buffer: { stdout: onOutput === undefined, stderr: false },
    maxBuffer: MAX_STDOUT,
    stripFinalNewline: false,
    timeout: timeout ?? 0,
    ...(signal === undefined ? {} : { cancelSignal: signal }),
    killDescendants: true,
    forceKillAfterDelay: KILL_GRACE,
    reject: false,
  });
  const tail = new Tail(STDERR_LINES);
  const errors = new LineSplitter((line) => {
    tail.add(line);
    onLine?.(line);
  });
  child.stderr.on("data", (bytes: Buffer) => errors.write(bytes));
  const output = new LineSplitter((line) => onOutput?.(line));
  if (onOutput !== undefined) child.stdout.on("data", (bytes: Buffer) => output.write(bytes));
  const limit = limitReading(child, { timeout, signal });
  const result = await child;
  limit.end();
  const why = child.pid === undefined ? (result.originalMessage ?? "it did not start") : undefined;
  const notStarted = why ?? whyNotStarted(result.exitCode, tail.lines.at(-1));
  if (notStarted !== undefined)
    throw new Error(`cannot run ${command}: ${notStarted}`, { cause: result.cause });
  if (result.timedOut || result.isCanceled || result.isMaxBuffer) child.kill("SIGKILL");
  errors.end();
  output.end();
  if (result.isCanceled) signal?.throwIfAborted();
  if (result.isMaxBuffer)
    throw new Error(`${command} wrote more than ${MAX_STDOUT} characters to stdout`);
  return {
    exitCode: result.exitCode ?? null,
    signalName: result.signal ?? null,
    stdout: result.stdout ?? "",
    stderr: tail.lines,
    timedOut: result.timedOut,
  };
}

/** Ends the reading of a program's output PIPE_GRACE after its timeout or the abort. */
function limitReading(
  { stdout, stderr }: { readonly stdout: Readable; readonly stderr: Readable },
  { timeout, signal }: Pick<RunOptions, "timeout" | "signal">,
): { readonly end: () => void } {
  const stop = (): void => {
    stdout.destroy();
    stderr.destroy();
  };
  let timer = timeout === undefined ? undefined : setTimeout(stop, timeout + PIPE_GRACE);
  const onAbort = (): void => {
    clearTimeout(timer);
    timer = setTimeout(stop, PIPE_GRACE);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  return {
    end() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    },
  };
}
