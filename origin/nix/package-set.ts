/**
 * A package set of any kind. Its tags and sources depend on the kind (sets/); names are evaluated
 * (evaluate/), and packages built (build/), in the same way for all.
 */
import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { LRUCache } from "lru-cache";
import * as v from "valibot";
import type { Metadata } from "../../edge/contract/closure.ts";
import type { About } from "../../edge/contract/package-about.ts";
import type { Failure } from "../../edge/contract/items.ts";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import { nearest } from "../../edge/contract/nearest.ts";
import { StorePathSchema, type System } from "../../edge/contract/records.ts";
import { buildPackages } from "./build/build.ts";
import { builtPackage, damage } from "./build/built-package.ts";
import { DerivationLocks } from "./build/derivation-locks.ts";
import { Roots } from "./build/roots.ts";
import { describe, type Description, type Found } from "./evaluate/describe.ts";
import { KnownMetadata } from "./evaluate/known-metadata.ts";
import { KnownNames } from "./evaluate/known-names.ts";
import type { Evaluation } from "./evaluate/restricted.ts";
import { unbuildable } from "./evaluate/unbuildable.ts";
import { failure } from "./failures.ts";
import type { NixLimits } from "./limits.ts";
import { limitLog } from "./log.ts";
import { aboutsAt } from "./sets/about.ts";
import { openSources, type SourcesOptions } from "./sets/open.ts";
import type { Sources } from "./sets/source.ts";
import { type CacheHooks, DEFAULT_NIX_TIMEOUT, type NixSettings } from "./settings.ts";
import type {
  BuildOptions,
  BuildOutcome,
  BuildRequest,
  PackageSet,
  StopWatching,
} from "./types.ts";

export interface PackageSetOptions extends SourcesOptions {
  /** Directory of clones, roots and snapshots; made when absent. */
  readonly stateDir: string;
  /** Longest evaluation and build of one job, seconds. */
  readonly nixTimeout?: number | undefined;
  /** What a package may cost; default: DEFAULT_LIMITS. */
  readonly limits?: Partial<NixLimits> | undefined;
  /** NIX_CONFIG for every call; default: that of this process. */
  readonly nixConfig?: string | undefined;
  /** URIs that an evaluation may fetch, see settings.ts. */
  readonly allowedUris?: readonly string[] | undefined;
  /** The farm's binary cache. */
  readonly cache?: CacheHooks | undefined;
}

/** Packages whose description is kept in memory. */
const MAX_FOUND = 5_000;

/**
 * Opens a package set. `spec`: PACKAGE_SET, or the same parsed. Throws an Error when it is wrong.
 */
export async function openPackageSet(
  spec: string | PackageSetSpec,
  options: PackageSetOptions,
): Promise<PackageSet> {
  const parsed = typeof spec === "string" ? await parsePackageSet(spec) : spec;
  const stateDir = resolve(options.stateDir);
  mkdirSync(stateDir, { recursive: true });
  const settings: NixSettings = {
    stateDir,
    nixTimeout: options.nixTimeout ?? DEFAULT_NIX_TIMEOUT,
    limits: options.limits,
    nixConfig: options.nixConfig,
    allowedUris: options.allowedUris,
    cache: options.cache,
  };
  return new NixPackageSet(parsed.id, settings, await openSources(parsed, settings, options));
}

interface Job extends Evaluation {
  readonly revision: string;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  readonly settled: AbortSignal | undefined;
}

class NixPackageSet implements PackageSet {
  readonly id: string;
  readonly #settings: NixSettings;
  readonly #sources: Sources;
  readonly #roots: Roots;
  readonly #locks = new DerivationLocks();
  readonly #found = new LRUCache<string, Found>({ max: MAX_FOUND });
  readonly #metadata: KnownMetadata;
  readonly #names = new KnownNames();

  constructor(id: string, settings: NixSettings, sources: Sources) {
    this.id = id;
    this.#settings = settings;
    this.#sources = sources;
    this.#roots = new Roots(join(settings.stateDir, "roots"));
    this.#metadata = new KnownMetadata(sources, (request, signal) =>
      this.#job(request, { signal, log: () => {} }),
    );
  }

  resolve(tag: string, signal: AbortSignal): Promise<string> {
    return this.#sources.resolve(tag, signal);
  }

  async tags(signal: AbortSignal): Promise<readonly string[] | undefined> {
    return this.#sources.tags?.(signal);
  }

  watch(onChange: (tag: string, revision: string) => void): StopWatching {
    return this.#sources.watch(onChange);
  }

  async attributes(
    revision: string,
    system: System,
    path: readonly string[] = [],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<readonly string[]> {
    return this.#names.at(await this.#job({ revision, system }, { signal, log: () => {} }), path);
  }

  metadata(
    request: Pick<BuildRequest, "revision" | "system">,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Metadata>> {
    return this.#metadata.of(request, names, signal);
  }

  async about(
    revision: string,
    system: System,
    path: readonly string[] = [],
    signal: AbortSignal = new AbortController().signal,
  ): Promise<ReadonlyMap<string, About> | undefined> {
    const all = await this.#sources.about?.(revision, system, signal);
    return all === undefined ? undefined : aboutsAt(all, path);
  }

  release(): number {
    return this.#roots.release();
  }

  async build(
    request: BuildRequest,
    { signal, log, settled, trace }: BuildOptions,
  ): Promise<BuildOutcome[]> {
    const limited = limitLog(log);
    try {
      const job = await this.#job(request, { signal, log: limited.write, settled, trace });
      return await this.#build(job, [...new Set(request.names)]);
    } finally {
      limited.end();
    }
  }

  /** Puts the source into the store; the job's time begins after that. */
  async #job(
    { revision, system }: Pick<BuildRequest, "revision" | "system">,
    { signal, log, settled, trace }: BuildOptions,
  ): Promise<Job> {
    const source = await this.#sources.source(revision, signal);
    const end = performance.now() + this.#settings.nixTimeout * 1_000;
    return {
      revision,
      settings: { ...this.#settings, trace },
      source,
      system,
      signal,
      log,
      settled,
      write: source.importFromDerivation,
      timeLeft: () => end - performance.now(),
    };
  }

  async #build(job: Job, names: readonly string[]): Promise<BuildOutcome[]> {
    const packages: Found[] = [];
    const outcomes = new Map<string, BuildOutcome>();
    const fail = (name: string, reason: Failure): void =>
      void outcomes.set(name, { kind: "failure", name, failure: reason });
    for (const description of await this.#describe(job, names)) {
      if (isBuildable(description)) packages.push(description);
      else fail(description.name, await this.#unbuildable(job, description));
    }
    const failures = await this.#buildPackages(job, packages);
    for (const found of packages) {
      const reason = failures.get(found.name) ?? damage(found);
      if (reason !== undefined) fail(found.name, reason);
      else outcomes.set(found.name, { kind: "built", package: builtPackage(found) });
    }
    return names.flatMap((name) => outcomes.get(name) ?? []);
  }

  /** Evaluates the names, except those whose package is known and still in the store. */
  async #describe(job: Job, names: readonly string[]): Promise<Description[]> {
    const key = (name: string): string => `${job.revision} ${job.system} ${name}`;
    const known = new Map<string, Description>();
    for (const name of names) {
      const found = this.#found.get(key(name));
      if (found !== undefined && this.#roots.holds([found.storePath])) known.set(name, found);
    }
    const others = names.filter((name) => !known.has(name));
    for (const description of others.length === 0 ? [] : await describe(job, others)) {
      known.set(description.name, description);
      if (description.kind === "package") this.#found.set(key(description.name), description);
    }
    return names.flatMap((name) => known.get(name) ?? []);
  }

  #buildPackages(job: Job, packages: readonly Found[]): Promise<Map<string, Failure>> {
    const names = packages.map(({ name }) => name);
    return buildPackages(
      {
        settings: job.settings,
        roots: this.#roots,
        locks: this.#locks,
        signal: job.signal,
        settled: job.settled,
        log: job.log,
        instantiate: async () => void (await describe({ ...job, write: true }, names)),
        timeout: job.timeLeft(),
      },
      packages,
    );
  }

  async #unbuildable(job: Job, description: Description): Promise<Failure> {
    const { name } = description;
    if (description.kind === "package")
      return failure(
        "refused",
        `${name} has no store path before it is built (a floating content-addressed derivation)`,
      );
    if (description.kind !== "missing" || !["set", "package"].includes(description.type))
      return unbuildable(description);
    const { path, missing } = description;
    return unbuildable(description, nearest(await this.#names.at(job, path), path, missing));
  }
}

const isBuildable = (description: Description): description is Found =>
  description.kind === "package" && v.is(StorePathSchema, description.storePath);
