/**
 * What one package may cost this origin. Each limit is an option (origin/options.ts); whatever
 * exceeds it fails with the name of the option.
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
  /** BUILD_SIZE: most bytes that the disk may lose while the packages of a job are built. */
  readonly buildSize: number;
  /** CLOSURE_LIMIT: most bytes of a package with all that it needs. */
  readonly closureLimit: number;
  /** CLOSURE_PATHS: most store paths of a package with all that it needs. */
  readonly closurePaths: number;
}

export const DEFAULT_LIMITS: NixLimits = {
  // One of nixpkgs takes one or two seconds.
  evalTimeout: 120,
  // One of nixpkgs takes 0.5 GB, of many packages 2 GB.
  evalMemory: 4 * 1024 ** 3,
  // As long as the default NIX_TIMEOUT: linkers are silent for minutes.
  buildSilence: 600,
  // The log of a compiler has 10 MB.
  buildLog: 64 * 1024 ** 2,
  // Four closures of the largest size: what is built takes more than what it makes.
  buildSize: 40 * 1024 ** 3,
  // All of TeX Live has 5 GB in 5,000 paths.
  closureLimit: 10 * 1024 ** 3,
  closurePaths: 10_000,
};

/** All limits, those that are given before the defaults. */
export const withDefaults = (limits: Partial<NixLimits> = {}): NixLimits => ({
  ...DEFAULT_LIMITS,
  ...Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined)),
});

const gigabytes = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(2)} GiB`;

/** Why a package's closure is beyond the limits; undefined when it is not. */
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

/** The same of what would be downloaded for it, before that is done. */
export const downloadFailure = (
  name: string,
  size: number,
  { closureLimit }: Pick<NixLimits, "closureLimit">,
): Failure | undefined =>
  size > closureLimit ? tooLarge(`what ${name} needs has`, size, closureLimit) : undefined;

/** Why a build was ended that wrote too much (build/growth.ts). */
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
