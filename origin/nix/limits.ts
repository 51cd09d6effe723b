/**
 * What one package may cost this origin. Each limit is an option (origin/options.ts), which the
 * failure of a package that exceeds it names.
 */
import type { Failure } from "../../edge/contract/items.ts";
import { failure } from "./failures.ts";
import type { StorePathInfo } from "./types.ts";

export interface NixLimits {
  /**
   * EVAL_TIMEOUT, seconds. An evaluation that builds (import from derivation) has the job's time.
   */
  readonly evalTimeout: number;
  /** EVAL_MEMORY, bytes. */
  readonly evalMemory: number;
  /** BUILD_SILENCE: longest time in which a build may write nothing to its log, seconds. */
  readonly buildSilence: number;
  /** BUILD_LOG: largest log of a build, bytes. */
  readonly buildLog: number;
  /** BUILD_SIZE: most bytes by which free disk space may shrink while a job is built. */
  readonly buildSize: number;
  /** CLOSURE_LIMIT: NAR bytes of the largest closure of a package. */
  readonly closureLimit: number;
  /** CLOSURE_PATHS: most store paths in the closure of a package. */
  readonly closurePaths: number;
}

export const DEFAULT_LIMITS: NixLimits = {
  // Evaluating a package of nixpkgs takes one or two seconds.
  evalTimeout: 120,
  // Evaluating a package of nixpkgs takes 0.5 GB, many packages 2 GB.
  evalMemory: 4 * 1024 ** 3,
  // As long as the default NIX_TIMEOUT: linkers are silent for minutes.
  buildSilence: 600,
  // The log of a build of a compiler has 10 MB.
  buildLog: 64 * 1024 ** 2,
  // Four closures of the largest size: a build needs more space than its outputs.
  buildSize: 40 * 1024 ** 3,
  // All of TeX Live has 5 GB in 5,000 paths.
  closureLimit: 10 * 1024 ** 3,
  closurePaths: 10_000,
};

/** All limits: the given ones, and defaults for the others. */
export const withDefaults = (limits: Partial<NixLimits> = {}): NixLimits => ({
  ...DEFAULT_LIMITS,
  ...Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)),
});

const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(2)} GiB`;

/** The failure of a package whose closure exceeds a limit; undefined when it does not. */
export function closureFailure(
  name: string,
  closure: ReadonlyMap<string, Pick<StorePathInfo, "narSize">>,
  { closureLimit, closurePaths }: Pick<NixLimits, "closureLimit" | "closurePaths">,
): Failure | undefined {
  if (closure.size > closurePaths)
    return failure(
      "limit",
      `${name} needs ${closure.size} store paths, and ${closurePaths} is the limit of this ` +
        `origin (CLOSURE_PATHS)`,
    );
  const size = [...closure.values()].reduce((total, { narSize }) => total + narSize, 0);
  return size > closureLimit
    ? tooLarge(`${name} with all that it needs has`, size, closureLimit)
    : undefined;
}

/** The same for `size` bytes that would be downloaded for it, before the download. */
export const downloadFailure = (
  name: string,
  size: number,
  { closureLimit }: Pick<NixLimits, "closureLimit">,
): Failure | undefined =>
  size > closureLimit ? tooLarge(`what ${name} needs has`, size, closureLimit) : undefined;

/**
 * The failure of a package whose build was ended because it wrote too much (build/growth.ts).
 * `alone`: whether nothing else was built meanwhile.
 */
export const growthFailure = (
  name: string,
  alone: boolean,
  { buildSize }: Pick<NixLimits, "buildSize">,
): Failure =>
  failure(
    alone ? "limit" : "error",
    `while ${name} was built the disk lost more than ${gigabytes(buildSize)}, the limit of ` +
      `this origin (BUILD_SIZE)`,
  );

const tooLarge = (subject: string, size: number, limit: number): Failure =>
  failure(
    "limit",
    `${subject} ${gigabytes(size)}, and ${gigabytes(limit)} is the limit of this origin (CLOSURE_LIMIT)`,
  );
