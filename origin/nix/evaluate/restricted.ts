/**
 * One evaluation of a package set by nix-instantiate. It is restricted (Nix's restrict-eval): it
 * reads the set and Firn's own Nix files, and nothing else of the machine. Its environment is
 * minimal, its arguments are an array.
 */
import { randomUUID } from "node:crypto";
import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import type { System } from "../../../edge/contract/records.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { failed, timeout as timeoutFailure } from "../failures.ts";
import { FailureError } from "../types.ts";
import { withDefaults } from "../limits.ts";
import { run, type RunResult } from "../run.ts";
import type { Source } from "../sets/source.ts";
import { NIX_DIR, nixEnvironment, type NixSettings } from "../settings.ts";

export interface Evaluation {
  readonly settings: NixSettings;
  readonly source: Source;
  readonly system: System;
  readonly signal?: AbortSignal | undefined;
  /** Takes lines of Nix's output: warnings, and those of builds. */
  readonly log?: ((line: string) => void) | undefined;
  /** Time left for the job, ms. */
  readonly timeLeft: () => number;
  /**
   * Whether to write derivations to the store, which takes half the time of an evaluation (110 ms
   * of CPU instead of 60 for the 250 derivations of a shell). It is needed for what is not built
   * yet, and by an evaluation that builds.
   */
  readonly write: boolean;
}

/**
 * Evaluations that run at once, over all jobs: each of nixpkgs takes about 1 s of a core and 500
 * MB.
 */
const limited = pLimit(Math.max(2, availableParallelism()));

/** Why an evaluation has no value. */
export interface Refusal {
  /** `refused`: Nix's error; `timeout` and `limit`: this origin's limits. */
  readonly reason: "refused" | "timeout" | "limit";
  readonly message: string;
  readonly log: readonly string[];
  /** Index of the last name that was begun (nix/packages.nix); undefined when none was. */
  readonly begun?: number | undefined;
}

/**
 * Evaluates one of Firn's Nix files with `args`; returns its value, or why there is none. Throws a
 * FailureError when the job has no time left, and when this machine is the cause.
 */
export async function evaluate(
  job: Evaluation,
  file: "packages.nix" | "attributes.nix" | "metadata.nix",
  args: Readonly<Record<string, string>>,
): Promise<{ readonly value: unknown; readonly log: readonly string[] } | Refusal> {
  const { settings, signal, log } = job;
  const progress = new Progress();
  const timeout = timeoutOf(job);
  const [program, ...words] = limitMemory(job, [
    "nix-instantiate",
    ...argumentsOf(job, file, file === "attributes.nix" ? args : { ...args, mark: progress.mark }),
  ]);
  const result = await limited(() =>
    run(program, words, {
      env: { ...nixEnvironment(settings), GC_MAXIMUM_HEAP_SIZE: String(memoryOf(settings)) },
      signal,
      timeout: timeout.ms,
      onLine: (line) => {
        if (!progress.take(line)) log?.(line);
      },
    }),
  );
  const lines = result.stderr.filter((line) => !progress.isMark(line));
  const { begun } = progress;
  if (result.timedOut) {
    if (timeout.ofJob)
      throw new FailureError(timeoutFailure(settings.nixTimeout, "evaluating", lines));
    const message =
      `evaluating took longer than ${timeout.ms / 1_000} s, the limit of this ` +
      `origin (EVAL_TIMEOUT)`;
    return { reason: "timeout", message, log: lines, begun };
  }
  if (result.exitCode === 0) return { value: JSON.parse(result.stdout) as unknown, log: lines };
  if (lines.some((line) => OUT_OF_MEMORY.test(line))) {
    const message =
      `evaluating needs more than ${memoryOf(settings) / 1024 ** 2} MiB of ` +
      `memory, the limit of this origin (EVAL_MEMORY)`;
    return { reason: "limit", message, log: lines, begun };
  }
  const reason = errorLine(lines);
  throwMachineTrouble(result, reason);
  return {
    reason: "refused",
    message: reason ?? lines.at(-1) ?? "Nix gave no reason",
    log: lines,
    begun,
  };
}

function argumentsOf(
  { settings, source, system, write }: Evaluation,
  file: string,
  args: Readonly<Record<string, string>>,
): string[] {
  const options: Record<string, string> = {
    "restrict-eval": "true",
    "allowed-uris": (settings.allowedUris ?? []).join(" "),
    "allow-import-from-derivation": String(source.importFromDerivation),
  };
  const values = { source: source.path, system, ...args };
  return [
    "--eval",
    "--strict",
    "--json",
    ...(write ? ["--read-write-mode"] : []),
    ...Object.entries(options).flatMap(([name, value]) => ["--option", name, value]),
    "-I",
    `firn=${NIX_DIR}`,
    "-I",
    `set=${source.path}`,
    ...Object.entries(values).flatMap(([name, value]) => ["--argstr", name, value]),
    `<firn/${file}>`,
  ];
}

/**
 * Nix's traces of its progress (nix/packages.nix), with a random mark that packages cannot know.
 */
class Progress {
  readonly mark = randomUUID();
  #begun: number | undefined;

  get begun(): number | undefined {
    return this.#begun;
  }

  isMark = (line: string): boolean => line.startsWith(`trace: ${this.mark} `);

  /** Takes a line; whether it was a trace of progress. */
  take(line: string): boolean {
    if (!this.isMark(line)) return false;
    this.#begun = Number(line.split(" ").at(-1));
    return true;
  }
}

/** The time limit of an evaluation: what the job has left, and EVAL_TIMEOUT unless it may build. */
function timeoutOf({ settings, source, timeLeft }: Evaluation): { ms: number; ofJob: boolean } {
  const left = Math.max(Math.ceil(timeLeft()), 1);
  const limit = withDefaults(settings.limits).evalTimeout * 1_000;
  return source.importFromDerivation || left <= limit
    ? { ms: left, ofJob: true }
    : { ms: limit, ofJob: false };
}

/** Address space of a Nix process beside its heap (code, stacks), bytes. */
const BESIDE_HEAP = 1024 ** 3;

/**
 * The command with a limit of address space, for memory outside of Nix's heap; the heap has a limit
 * by its environment. Not where the evaluation may build, since builders would inherit the limit.
 */
function limitMemory(
  { settings, source }: Evaluation,
  command: readonly string[],
): [string, ...string[]] {
  const kilobytes = Math.ceil((memoryOf(settings) + BESIDE_HEAP) / 1024);
  const script = source.importFromDerivation ? "" : `ulimit -v ${kilobytes}; `;
  return ["sh", "-c", `${script}exec "$@"`, "sh", ...command];
}

const OUT_OF_MEMORY = /^error: (out of memory|std::bad_alloc)|GC Warning: Out of Memory!.*NULL/;

const memoryOf = ({ limits }: NixSettings): number => withDefaults(limits).evalMemory;

function throwMachineTrouble({ exitCode, signalName, stderr }: RunResult, reason: string | null) {
  if (exitCode === null)
    throw failed("error", `Nix was ended by ${signalName ?? "a signal"} while evaluating`, {
      log: stderr,
    });
  const trouble = machineTrouble(reason ?? "");
  if (trouble !== null) throw failed("error", `evaluating failed: ${trouble}`, { log: stderr });
}
