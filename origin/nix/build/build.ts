/**
 * Builds what an evaluation found: all derivations of a job in one nix-build. What is built already
 * costs one look at Nix's database, or none when it is rooted here.
 */
import { existsSync } from "node:fs";
import type { Failure } from "../../../edge/contract/messages.ts";
import { BuildOutput, derivationName, type FailedDerivation } from "./failed-derivations.ts";
import type { DerivationLocks } from "./derivation-locks.ts";
import type { Found } from "../evaluate/describe.ts";
import { failed, failure, FAILURE_LINES, timeout } from "../failures.ts";
import { Tail } from "../lines.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import type { Roots } from "./roots.ts";
import { run, type RunOptions, type RunResult } from "../run.ts";
import { downloadEnvironment, emptyHome, nixEnvironment, type NixSettings } from "../settings.ts";

export interface Building {
  readonly settings: NixSettings;
  readonly roots: Roots;
  readonly locks: DerivationLocks;
  readonly signal: AbortSignal;
  /** Takes every line of Nix's output. */
  readonly log: (line: string) => void;
  /** Writes the derivations to the store, where the evaluation has not. */
  readonly instantiate: () => Promise<void>;
  /** Time left for the job, ms; waiting for another job's build does not count. */
  readonly timeLeft: () => number;
}

/**
 * Builds them; returns the failure of each package that is not in the store afterwards, by name.
 */
export async function realise(
  job: Building,
  packages: readonly Found[],
): Promise<Map<string, Failure>> {
  const paths = [...new Set(packages.map(({ storePath }) => storePath))];
  if (paths.length === 0 || job.roots.holds(paths) || (await root(job, paths))) return new Map();
  if (!packages.every(({ drvPath }) => existsSync(drvPath))) await job.instantiate();
  return job.locks.with(
    () => missing(job, packages),
    job.signal,
    () => build(job, packages, paths),
  );
}

/** Roots them when all are valid, without building or fetching. */
async function root(job: Building, paths: readonly string[]): Promise<boolean> {
  const { exitCode } = await job.roots.with((link) =>
    store(job, [
      "--realise",
      "--option",
      "substitute",
      "false",
      "--add-root",
      link,
      "--",
      ...paths,
    ]),
  );
  return exitCode === 0;
}

/** Everything that Nix would build or fetch. */
async function missing(job: Building, packages: readonly Found[]): Promise<string[]> {
  const paths: string[] = [];
  const onLine = (line: string): void =>
    void paths.push(...(/^ {2}(\/nix\/store\/\S+)$/.exec(line)?.slice(1) ?? []));
  await store(job, ["--realise", "--dry-run", "--", ...derivations(packages)], {
    env: downloads(job),
    onLine,
  });
  return paths;
}

async function build(
  job: Building,
  packages: readonly Found[],
  paths: readonly string[],
): Promise<Map<string, Failure>> {
  const output = new BuildOutput();
  const tail = new Tail(FAILURE_LINES);
  const onLine = (line: string): void => {
    output.add(line);
    tail.add(line);
    job.log(line);
  };
  const result = await job.roots.with((link) =>
    run("nix-build", ["--keep-going", "--out-link", link, "--", ...derivations(packages)], {
      env: downloads(job),
      signal: job.signal,
      timeout: Math.max(job.timeLeft(), 1),
      onLine,
    }),
  );
  if (result.exitCode === 0) return new Map();

  const check = await store(job, ["--check-validity", "--print-invalid", "--", ...paths]);
  if (check.exitCode !== 0)
    throw failed(
      "error",
      `Nix's database cannot be read: ${errorLine(check.stderr) ?? "Nix gave no reason"}`,
      { log: check.stderr },
    );
  const lost = new Set(check.stdout.split("\n"));
  const there = paths.filter((path) => !lost.has(path));
  if (there.length > 0) await root(job, there);
  const failures = new Map<string, Failure>();
  for (const found of packages)
    if (lost.has(found.storePath))
      failures.set(found.name, await explain(job, found, { result, output, tail: tail.lines }));
  return failures;
}

async function explain(
  job: Building,
  found: Found,
  { result, output, tail }: { result: RunResult; output: BuildOutput; tail: readonly string[] },
): Promise<Failure> {
  const culprit = await culpritOf(job, found, output.failed);
  if (culprit !== undefined) {
    const name = derivationName(culprit.drvPath);
    const log = await logOf(job, culprit.drvPath, tail);
    const full = log.some((line) => /No space left on device/i.test(line));
    const reason = culprit.timedOut ? "timeout" : culprit.trouble || full ? "error" : "failed";
    const what =
      culprit.drvPath === found.drvPath
        ? `the build of ${name}`
        : `${found.name} needs ${name}, whose build`;
    return failure(reason, `${what} ${culprit.how}${full ? " (the disk is full)" : ""}`, { log });
  }
  if (result.timedOut) return timeout(job.settings.nixTimeout, `building ${found.name}`, tail);
  if (result.exitCode === null)
    return failure("error", `Nix was ended by ${result.signalName ?? "a signal"} while building`, {
      log: tail,
    });
  const line = errorLine(tail) ?? "Nix gave no reason";
  return failure(
    "error",
    `building ${found.name} failed: ${output.trouble ?? machineTrouble(line) ?? line}`,
    { log: tail },
  );
}

/** The derivation that failed by itself and is, or is needed by, this package. */
async function culpritOf(
  job: Building,
  { drvPath }: Found,
  candidates: readonly FailedDerivation[],
): Promise<FailedDerivation | undefined> {
  const own = candidates.find((candidate) => candidate.drvPath === drvPath);
  if (own !== undefined || candidates.length === 0) return own;
  const needs = new Set(
    (await store(job, ["--query", "--requisites", "--", drvPath])).stdout.split("\n"),
  );
  return candidates.find((candidate) => needs.has(candidate.drvPath));
}

/** The last lines of a derivation's own log; of the whole output where Nix kept none. */
async function logOf(
  job: Building,
  drvPath: string,
  otherwise: readonly string[],
): Promise<readonly string[]> {
  const tail = new Tail(FAILURE_LINES);
  await store(job, ["--read-log", "--", drvPath], { onOutput: (line) => tail.add(line) });
  return tail.lines.length > 0 ? tail.lines : otherwise;
}

/** `drv!output`, which both nix-store and nix-build take. */
const derivations = (packages: readonly Found[]): string[] => [
  ...new Set(packages.map(({ drvPath, output }) => `${drvPath}!${output}`)),
];

const downloads = ({ settings }: Building): Record<string, string> =>
  downloadEnvironment({ ...settings, home: emptyHome(settings.stateDir) });

async function store(
  job: Building,
  args: readonly string[],
  options: Partial<RunOptions> = {},
): Promise<RunResult> {
  const env = nixEnvironment({ ...job.settings, home: emptyHome(job.settings.stateDir) });
  const result = await run("nix-store", args, {
    env,
    signal: job.signal,
    timeout: STORE_TIMEOUT,
    ...options,
  });
  if (result.timedOut)
    throw failed(
      "error",
      `nix-store ${args[0] ?? ""} did not answer within ${STORE_TIMEOUT / 1_000} s`,
      { log: result.stderr },
    );
  return result;
}

/** Longest look at the store, ms; a dry run may ask binary caches about thousands of paths. */
const STORE_TIMEOUT = 120_000;
