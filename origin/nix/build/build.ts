/**
 * Builds the packages of a job in one nix-build. What is in the store already costs one query of
 * Nix's database, or none when this origin has a root for it.
 */
import { existsSync } from "node:fs";
import type { Failure } from "../../../edge/contract/items.ts";
import type { Found } from "../evaluate/describe.ts";
import { FAILURE_LINES } from "../failures.ts";
import { Tail } from "../lines.ts";
import { CachedBuild } from "../cache/cached-build.ts";
import { downloadFailure, growthFailure, type NixLimits, withDefaults } from "../limits.ts";
import { run, type RunResult } from "../run.ts";
import { nixEnvironment, type NixSettings, storeDir } from "../settings.ts";
import { validPaths } from "./closure.ts";
import type { DerivationLocks } from "./derivation-locks.ts";
import { DryRun } from "./dry-run.ts";
import { FailedDerivations } from "./failed-derivations.ts";
import { buildFailure } from "./failure.ts";
import { GrowthError, withinGrowth } from "./growth.ts";
import type { Roots } from "./roots.ts";
import { nixStore } from "./store.ts";

export interface BuildJob {
  readonly settings: NixSettings;
  readonly roots: Roots;
  readonly locks: DerivationLocks;
  readonly signal: AbortSignal;
  /** What is built is held until it aborts. */
  readonly settled: AbortSignal | undefined;
  /** Takes every line of Nix's output. */
  readonly log: (line: string) => void;
  /** Writes the derivations to the store, where the evaluation has not. */
  readonly instantiate: () => Promise<void>;
  /** Longest nix-build, ms; waiting for another job's build does not count. */
  readonly timeout: number;
}

/**
 * Builds the packages and makes roots for them. Returns, by name, the failure of each package that
 * is not in the store afterwards. Throws a FailureError when nix-store fails, and the signal's
 * reason.
 */
export async function buildPackages(
  job: BuildJob,
  packages: readonly Found[],
): Promise<Map<string, Failure>> {
  const paths = [...new Set(packages.map(({ storePath }) => storePath))];
  if (paths.length === 0 || job.roots.holds(paths, job.settled) || (await rootValid(job, paths)))
    return new Map();
  const derivations = packages.map(({ drvPath }) => drvPath);
  const attempt = async (): Promise<Map<string, Failure>> => {
    if (!derivations.every(existsSync)) await job.instantiate();
    let unpacked = 0;
    const needed = async (): Promise<string[]> => {
      const planned = await dryRun(job, packages);
      ({ unpacked } = planned);
      return planned.paths;
    };
    return job.locks.with(needed, job.signal, async () => {
      const tooLarge = await tooLargeToFetch(job, packages, unpacked);
      const others = packages.filter(({ name }) => !tooLarge.has(name));
      if (others.length === 0) return tooLarge;
      return new Map([...tooLarge, ...(await build(job, others))]);
    });
  };
  const failures = await attempt();
  // A derivation has no root before nix-build begins: somebody's garbage collection may remove it.
  const collected = packages.some(
    ({ name, drvPath }) => failures.has(name) && !existsSync(drvPath),
  );
  return collected ? attempt() : failures;
}

/**
 * The failures of packages that would download more than a closure may have. `unpacked`: bytes that
 * all of them need together; only when these exceed the limit is each package looked at by itself.
 */
async function tooLargeToFetch(
  job: BuildJob,
  packages: readonly Found[],
  unpacked: number,
): Promise<Map<string, Failure>> {
  const limits = withDefaults(job.settings.limits);
  const failures = new Map<string, Failure>();
  if (unpacked <= limits.closureLimit) return failures;
  for (const found of packages) {
    const own = packages.length === 1 ? unpacked : (await dryRun(job, [found])).unpacked;
    const reason = downloadFailure(found.name, own, limits);
    if (reason !== undefined) failures.set(found.name, reason);
  }
  return failures;
}

/** Makes roots for the paths when all are in the store; builds and downloads nothing. */
async function rootValid(job: BuildJob, paths: readonly string[]): Promise<boolean> {
  const options = ["--option", "substitute", "false"];
  const { exitCode } = await job.roots.with(
    (link) => nixStore(job, ["--realise", ...options, "--add-root", link, "--", ...paths]),
    job.settled,
  );
  return exitCode === 0;
}

/** Everything that Nix would build or download. */
async function dryRun(job: BuildJob, packages: readonly Found[]): Promise<DryRun> {
  const planned = new DryRun();
  await nixStore(job, ["--realise", "--dry-run", "--", ...installables(packages)], {
    env: nixEnvironment(job.settings, { network: true }),
    onLine: (line) => planned.add(line),
  });
  return planned;
}

async function build(job: BuildJob, packages: readonly Found[]): Promise<Map<string, Failure>> {
  const paths = [...new Set(packages.map(({ storePath }) => storePath))];
  let derivations = new FailedDerivations();
  const tail = new Tail(FAILURE_LINES);
  const cached = new CachedBuild(job.settings.cache);
  const begun = performance.now();
  const limits = withDefaults(job.settings.limits);
  const attempt = (options: readonly string[]): Promise<RunResult> =>
    job.roots.with((link) => {
      derivations = new FailedDerivations();
      const args = buildArguments(limits, link, packages);
      const watched = { directory: storeDir(), limit: limits.buildSize, signal: job.signal };
      return withinGrowth(watched, (signal) =>
        run("nix-build", [...options, ...args], {
          env: nixEnvironment(job.settings, { network: true }),
          signal,
          timeout: Math.max(Math.ceil(job.timeout - (performance.now() - begun)), 1),
          onLine(line) {
            const shown = cached.read(line);
            derivations.add(shown);
            tail.add(shown);
            job.log(shown);
          },
        }),
      );
    }, job.settled);
  const attempts = async (): Promise<RunResult> => {
    const first = await attempt(cached.options);
    const again = first.exitCode !== 0 && !first.timedOut && cached.failed;
    return again ? attempt([]) : first;
  };
  const result = await attempts().catch((error: unknown) => {
    if (error instanceof GrowthError) return error;
    throw error;
  });
  if (result instanceof GrowthError)
    return new Map(packages.map(({ name }) => [name, growthFailure(name, result.alone, limits)]));
  cached.end();
  if (result.exitCode === 0) return new Map();

  let built = await validPaths(paths, job.signal);
  // A nix-build that fails makes no roots, not even for what it has built.
  if (built.size > 0 && !(await rootValid(job, [...built])))
    built = await validPaths(paths, job.signal);
  const failures = new Map<string, Failure>();
  for (const found of packages)
    if (!built.has(found.storePath))
      failures.set(
        found.name,
        await buildFailure(job, found, { result, derivations, tail: tail.lines }),
      );
  return failures;
}

const buildArguments = (
  { buildSilence, buildLog }: NixLimits,
  link: string,
  packages: readonly Found[],
): string[] => {
  const options = { "max-silent-time": buildSilence, "max-build-log-size": buildLog };
  return [
    "--keep-going",
    ...Object.entries(options).flatMap(([name, value]) => ["--option", name, String(value)]),
    "--out-link",
    link,
    "--",
    ...installables(packages),
  ];
};

/** `drv!output`, which both nix-store and nix-build take. */
const installables = (packages: readonly Found[]): string[] => [
  ...new Set(packages.map(({ drvPath, output }) => `${drvPath}!${output}`)),
];
