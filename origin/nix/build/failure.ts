/** Why a package is not in the store after nix-build: the derivation that failed, and its log. */
import type { Failure } from "../../../edge/contract/items.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import type { Found } from "../evaluate/describe.ts";
import { failure, FAILURE_LINES, timeout } from "../failures.ts";
import { Tail } from "../lines.ts";
import type { RunResult } from "../run.ts";
import type { NixSettings } from "../settings.ts";
import type { FailedDerivation, FailedDerivations } from "./failed-derivations.ts";
import { lackingFeatures } from "../system-features.ts";
import { nixStore } from "./store.ts";

interface Job {
  readonly settings: NixSettings;
  readonly signal: AbortSignal;
}

/** What is known about a nix-build that did not succeed. */
export interface FailedBuild {
  readonly result: RunResult;
  readonly derivations: FailedDerivations;
  /** The last lines of its output. */
  readonly tail: readonly string[];
}

/** The failure of a package that is not in the store after nix-build. */
export async function buildFailure(
  job: Job,
  found: Found,
  { result, derivations, tail }: FailedBuild,
): Promise<Failure> {
  const cause = await causeOf(job, found, derivations.failed);
  const features = lackingFeatures([...tail, cause?.how ?? ""].join("\n"));
  if (features.length > 0) {
    const message =
      `building ${found.name} needs the system feature ${features.join(", ")}, ` +
      `which this machine does not have`;
    return { ...failure("lacking", message), features };
  }
  if (cause !== undefined) return derivationFailure(found, cause, await logOf(job, cause, tail));
  const log = { log: tail };
  if (result.timedOut) return timeout(job.settings.nixTimeout, `building ${found.name}`, tail);
  if (result.exitCode === null)
    return failure(
      "error",
      `Nix was ended by ${result.signalName ?? "a signal"} while building`,
      log,
    );
  const line = errorLine(tail) ?? "Nix gave no reason";
  const reason = derivations.trouble ?? machineTrouble(line) ?? line;
  return failure("error", `building ${found.name} failed: ${reason}`, log);
}

/** The derivation that failed by itself: the package's own, or one that it needs. */
async function causeOf(
  job: Job,
  { drvPath }: Found,
  candidates: readonly FailedDerivation[],
): Promise<FailedDerivation | undefined> {
  const own = candidates.find((candidate) => candidate.drvPath === drvPath);
  if (own !== undefined || candidates.length === 0) return own;
  const { stdout } = await nixStore(job, ["--query", "--requisites", "--", drvPath]);
  const needed = new Set(stdout.split("\n"));
  return candidates.find((candidate) => needed.has(candidate.drvPath));
}

/** The last lines of the derivation's log; `otherwise` when Nix has none. */
async function logOf(
  job: Job,
  { drvPath }: FailedDerivation,
  otherwise: readonly string[],
): Promise<readonly string[]> {
  const tail = new Tail(FAILURE_LINES);
  await nixStore(job, ["--read-log", "--", drvPath], { onOutput: (line) => tail.add(line) });
  return tail.lines.length > 0 ? tail.lines : otherwise;
}

function derivationFailure(
  { name, drvPath }: Found,
  cause: FailedDerivation,
  log: readonly string[],
): Failure {
  const full = log.some((line) => /No space left on device/i.test(line));
  const limit = LIMITS.find(([pattern]) => pattern.test(cause.how))?.[1];
  const reason = reasonOf(cause, { full, limit });
  const derivation = derivationName(cause.drvPath);
  const subject =
    cause.drvPath === drvPath
      ? `the build of ${derivation}`
      : `${name} needs ${derivation}, whose build`;
  const named = limit === undefined ? "" : `, the limit of this origin (${limit})`;
  return failure(reason, `${subject} ${cause.how}${full ? " (the disk is full)" : ""}${named}`, {
    log,
  });
}

/** Nix's messages about builds that a limit has ended, and the options for these limits. */
const LIMITS: readonly (readonly [RegExp, string])[] = [
  [/seconds of silence/, "BUILD_SILENCE"],
  [/more than \d+ bytes of log/, "BUILD_LOG"],
];

function reasonOf(
  cause: FailedDerivation,
  { full, limit }: { readonly full: boolean; readonly limit: string | undefined },
): Failure["reason"] {
  if (cause.timedOut) return "timeout";
  if (limit !== undefined) return "limit";
  return cause.trouble || full ? "error" : "failed";
}

/** `/nix/store/<hash>-curl-8.0.drv` → `curl-8.0`. */
const derivationName = (drvPath: string): string =>
  drvPath.replace(/^.*\/[0-9a-z]{32}-/, "").replace(/\.drv$/, "");
