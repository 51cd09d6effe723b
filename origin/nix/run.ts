/**
 * Runs one program of the Nix side with execa: arguments as an array, never a shell; the given
 * environment and nothing else; stdout and stderr read at the same time. On a timeout or an abort,
 * and when this process exits, its whole process group is ended; when this process is killed, the
 * program is: a build without a limit of time, for nobody, would keep others from its derivation.
 *
 * Three things are done here because execa does not do them:
 *   - lines are bounded in length while they are read (lines.ts): execa keeps a line of any length;
 *   - execa stops escalating once the program has exited: members of its group that ignore SIGTERM
 *     and hold no pipe get SIGKILL here;
 *   - a process that left the group (an SSH master connection) may hold a pipe open for ever, and
 *     execa waits for it: reading ends here.
 */
import { execa } from "execa";
import { tied, whyNotStarted } from "../process-tie.ts";
import { LineSplitter, Tail } from "./lines.ts";

/**
 * Time between SIGTERM and SIGKILL, ms: Nix ends its builders on SIGTERM, each a process group of
 * its own, and needs a moment.
 */
const KILL_GRACE = 5_000;
/** Time from SIGTERM until reading ends, ms: more than KILL_GRACE. */
const PIPE_GRACE = KILL_GRACE + 1_000;
/** Largest stdout, characters: the closure of 100,000 store paths as text. */
const MAX_STDOUT = 128 * 2 ** 20;
/** Lines of stderr kept for a message. */
const STDERR_LINES = 200;

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  /** Ends the program; `run` then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Longest time that it may take, whole ms; unset: no limit. */
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
 * Runs it to its end, whatever its exit code. Throws when it cannot be started, when its stdout is
 * too long, and when the signal aborts (the signal's reason).
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
  const stopReading = (): void => {
    child.stdout.destroy();
    child.stderr.destroy();
  };
  let timer = timeout === undefined ? undefined : setTimeout(stopReading, timeout + PIPE_GRACE);
  const onAbort = (): void => {
    clearTimeout(timer);
    timer = setTimeout(stopReading, PIPE_GRACE);
  };
  signal?.addEventListener("abort", onAbort, { once: true });

  const result = await child;
  clearTimeout(timer);
  signal?.removeEventListener("abort", onAbort);
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
