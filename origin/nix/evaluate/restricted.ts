/**
 * One evaluation of a package set by nix-instantiate: restricted (Nix's restrict-eval: it reads the
 * set and Firn's own Nix files, nothing else of the machine), with an empty environment, its
 * arguments as an array.
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
  /** Takes Nix's output: warnings, and the builds of an evaluation that builds. */
  readonly log?: ((line: string) => void) | undefined;
  /** Time left for the job, ms. */
  readonly timeLeft: () => number;
  /**
   * Whether the derivations are written to the store. That is half of what an evaluation costs (for
   * the 250 derivations of a shell, 110 ms of CPU instead of 60). It is of no use when everything
   * is built, but an evaluation that builds needs it.
   */
  readonly write: boolean;
}

/**
 * Evaluations that run at once, over all jobs: each of nixpkgs takes about 1 s of a core and 500
 * MB.
 */
const limited = pLimit(Math.max(2, availableParallelism()));

/** Why Nix gives no value. */
export interface Refusal {
  /** `refused` by Nix, in its words; `timeout` and `limit` by this origin's limits. */
  readonly reason: "refused" | "timeout" | "limit";
  readonly message: string;
  readonly log: readonly string[];
  /** Which of the names (nix/packages.nix) it was about last; absent when about none yet. */
  readonly begun?: number | undefined;
}

/**
 * Evaluates one of Firn's Nix files with `args` and gives its value, or why there is none. Throws a
 * FailureError when the time of the job is over, and on trouble of the machine.
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

/** What Nix says of its progress (nix/packages.nix), which no package can say in its place. */
class Progress {
  readonly mark = randomUUID();
  #begun: number | undefined;

  get begun(): number | undefined {
    return this.#begun;
  }

  isMark = (line: string): boolean => line.startsWith(`trace: ${this.mark} `);

  /** Whether the line is meant only for this object. */
  take(line: string): boolean {
    if (!this.isMark(line)) return false;
    this.#begun = Number(line.split(" ").at(-1));
    return true;
  }
}

/** The time of one evaluation. One that builds may take all that the job has left. */
function timeoutOf({ settings, source, timeLeft }: Evaluation): { ms: number; ofJob: boolean } {
  const left = Math.max(Math.ceil(timeLeft()), 1);
  const limit = withDefaults(settings.limits).evalTimeout * 1_000;
  return source.importFromDerivation || left <= limit
    ? { ms: left, ofJob: true }
    : { ms: limit, ofJob: false };
}

/** What a Nix process has besides its heap: its programs and stacks, bytes of address space. */
const BESIDE_HEAP = 1024 ** 3;

/**
 * Nix's garbage collector has the limit from its environment. What does not come from its heap is
 * bounded by the kernel, but not where the evaluation builds: builders would inherit that.
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
