/**
 * One evaluation of a package set by nix-instantiate: restricted (Nix's restrict-eval: it reads the
 * set and Firn's own Nix files, nothing else of the machine), with an empty environment, its
 * arguments as an array.
 */
import { availableParallelism } from "node:os";
import pLimit from "p-limit";
import type { System } from "../../../edge/contract/records.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { failed, timeout } from "../failures.ts";
import { FailureError } from "../types.ts";
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

/**
 * Evaluates one of Firn's Nix files with `args` and gives its value, or why Nix refuses. Throws a
 * FailureError on a timeout and on trouble of the machine.
 */
export async function evaluate(
  { settings, source, system, signal, log, timeLeft, write }: Evaluation,
  file: "packages.nix" | "attributes.nix",
  args: Readonly<Record<string, string>>,
): Promise<{ readonly value: unknown } | { readonly refused: string; readonly log: string[] }> {
  const options: Record<string, string> = {
    "restrict-eval": "true",
    "allowed-uris": (settings.allowedUris ?? []).join(" "),
    "allow-import-from-derivation": String(source.importFromDerivation),
  };
  const values = { source: source.path, system, ...args };
  const result = await limited(() =>
    run(
      "nix-instantiate",
      [
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
      ],
      {
        env: nixEnvironment(settings),
        signal,
        timeout: Math.max(timeLeft(), 1),
        onLine: log,
      },
    ),
  );
  const reason = errorLine(result.stderr);
  throwMachineTrouble(result, reason, settings.nixTimeout);
  if (result.exitCode === 0) return { value: JSON.parse(result.stdout) as unknown };
  return {
    refused: reason ?? result.stderr.at(-1) ?? "Nix gave no reason",
    log: [...result.stderr],
  };
}

function throwMachineTrouble(
  { exitCode, signalName, stderr, timedOut }: RunResult,
  reason: string | null,
  limit: number,
): void {
  if (timedOut) throw new FailureError(timeout(limit, "evaluating", stderr));
  if (exitCode === null)
    throw failed("error", `Nix was ended by ${signalName ?? "a signal"} while evaluating`, {
      log: stderr,
    });
  const trouble = exitCode === 0 ? null : machineTrouble(reason ?? "");
  if (trouble !== null) throw failed("error", `evaluating failed: ${trouble}`, { log: stderr });
}
