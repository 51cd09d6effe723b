/**
 * Runs one program of the Nix side: arguments as an array, never a shell; the environment given and
 * nothing else; stdout and stderr read at the same time (a program that fills one pipe while we
 * read the other would wait for ever); its whole process group ended on a timeout or an abort.
 */
import { execa } from "execa";
import { LineSplitter, Tail } from "./lines.ts";

/**
 * Time between SIGTERM and SIGKILL, ms: Nix ends its builders on SIGTERM, each a process group of
 * its own, and needs a moment.
 */
const KILL_GRACE = 5_000;
/**
 * Time after SIGKILL until we stop reading, ms: a process that left the group may hold the pipe
 * open for ever.
 */
const PIPE_GRACE = 1_000;
/** Largest stdout taken, bytes: the closure of 100,000 store paths as text. */
const MAX_STDOUT = 128 * 2 ** 20;
/** Lines of stderr kept for a message. */
const STDERR_LINES = 200;

export interface RunOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Longest time it may take, ms. */
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

/** Process groups that must not outlive us. */
const running = new Set<number>();
process.once("exit", () => {
  for (const pid of running) signalGroup(pid, "SIGTERM");
});

/**
 * Runs it to its end, whatever its exit code. Throws when it cannot be started, says too much, or
 * the signal aborts (its reason).
 */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions,
): Promise<RunResult> {
  options.signal?.throwIfAborted();
  const child = execa(command, args, {
    env: options.env,
    extendEnv: false,
    stdin: "ignore",
    detached: true,
    buffer: false,
    reject: false,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const { pid } = child;
  const tail = new Tail(STDERR_LINES);
  const output: Buffer[] = [];
  let outputBytes = 0;
  let ended: "timeout" | "abort" | "output" | undefined;
  let exited = false;
  const timers: NodeJS.Timeout[] = [];

  const stop = (why: "timeout" | "abort" | "output"): void => {
    if (ended !== undefined || exited || pid === undefined) return;
    ended = why;
    signalGroup(pid, "SIGTERM");
    timers.push(
      setTimeout(() => {
        signalGroup(pid, "SIGKILL");
        timers.push(
          setTimeout(() => {
            child.stdout.destroy();
            child.stderr.destroy();
          }, PIPE_GRACE),
        );
      }, KILL_GRACE),
    );
  };

  if (pid !== undefined) running.add(pid);
  const onAbort = (): void => stop("abort");
  options.signal?.addEventListener("abort", onAbort, { once: true });
  if (options.timeout !== undefined)
    timers.push(setTimeout(() => stop("timeout"), options.timeout));

  const errors = new LineSplitter((line) => {
    tail.add(line);
    options.onLine?.(line);
  });
  const outputs = new LineSplitter((line) => options.onOutput?.(line));
  child.stderr.on("data", (bytes: Buffer) => errors.write(bytes));
  child.stdout.on("data", (bytes: Buffer) => {
    if (options.onOutput !== undefined) return outputs.write(bytes);
    outputBytes += bytes.length;
    if (outputBytes > MAX_STDOUT) stop("output");
    else output.push(bytes);
  });

  try {
    const result = await child;
    exited = true;
    errors.end();
    outputs.end();
    if (pid === undefined)
      throw new Error(`cannot run ${command}: ${result.originalMessage ?? "it did not start"}`, {
        cause: result.cause,
      });
    if (ended === "abort") options.signal?.throwIfAborted();
    if (ended === "output") throw new Error(`${command} wrote more than ${MAX_STDOUT} bytes`);
    return {
      exitCode: result.exitCode ?? null,
      signalName: result.signal ?? null,
      stdout: Buffer.concat(output).toString("utf8"),
      stderr: tail.lines,
      timedOut: ended === "timeout",
    };
  } finally {
    for (const timer of timers) clearTimeout(timer);
    options.signal?.removeEventListener("abort", onAbort);
    if (pid !== undefined) {
      // Whatever the program left behind in its group goes with it.
      if (ended !== undefined) signalGroup(pid, "SIGKILL");
      running.delete(pid);
    }
  }
}

function signalGroup(pid: number, name: "SIGTERM" | "SIGKILL"): void {
  try {
    process.kill(-pid, name);
  } catch (error) {
    // ESRCH: all of it has ended. EPERM: what is left belongs to another user (a set-uid helper),
    // and ends by itself.
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "ESRCH" && code !== "EPERM") throw error;
  }
}
