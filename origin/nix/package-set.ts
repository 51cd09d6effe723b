/**
 * Opens a package set of any kind: what all kinds have in common, evaluating and building, around
 * the backend that knows where sources come from.
 */
import { lstatSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Logger } from "pino";
import type { Failure } from "../../edge/contract/messages.ts";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import type { System } from "../../edge/contract/records.ts";
import { prepareStarter } from "../starter/index.ts";
import type { Backend } from "./sets/source.ts";
import { realise } from "./build/build.ts";
import { builtPackage, isStorePath } from "./build/built-package.ts";
import { DerivationLocks } from "./build/derivation-locks.ts";
import {
  attributeNames,
  describe,
  type Description,
  type Evaluation,
  type Found,
} from "./evaluate/describe.ts";
import { explain } from "./evaluate/explain.ts";
import { failure } from "./failures.ts";
import { limitLog } from "./log.ts";
import { nearest } from "./evaluate/nearest.ts";
import { Recent } from "./recent.ts";
import { Revisions } from "./sets/revisions.ts";
import { Roots } from "./build/roots.ts";
import { channelBackend } from "./sets/channel.ts";
import { gitBackend } from "./sets/git.ts";
import { pathBackend } from "./sets/path.ts";
import { starterBackend } from "./sets/starter.ts";
import { DEFAULT_NIX_TIMEOUT, type NixSettings } from "./settings.ts";
import type { BuildOptions, BuildOutcome, BuildRequest, PackageSet } from "./types.ts";

export interface PackageSetOptions {
  /** Keeps clones, roots, snapshots; made when absent. */
  readonly stateDir: string;
  readonly systems: readonly System[];
  /** Longest evaluation and build of one job, seconds. */
  readonly nixTimeout?: number;
  readonly logger: Pick<Logger, "info" | "warn" | "error">;
  /** NIX_CONFIG for every call; the machine's own by default. */
  readonly nixConfig?: string;
  /** What an evaluation may fetch, see settings.ts. */
  readonly allowedUris?: readonly string[];
  /** Base URL of the channels, see set-channel.ts. */
  readonly channels?: string;
  /** URL of the archive of a commit of nixpkgs, with `{revision}` in it. */
  readonly archive?: string;
}

/** Names whose evaluation is remembered. */
const MAX_FOUND = 5_000;
/** Lists of attribute names remembered; one of nixpkgs takes about 2 MB. */
const MAX_LISTS = 16;

/** `spec`: as PACKAGE_SET says it. Throws an Error that names what is wrong with it. */
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
    nixConfig: options.nixConfig,
    allowedUris: options.allowedUris,
  };
  return new StoreSet(parsed.id, settings, await openBackend(parsed, settings, options));
}

async function openBackend(
  spec: PackageSetSpec,
  settings: NixSettings,
  { systems, logger, channels, archive }: PackageSetOptions,
): Promise<Backend> {
  const revisions = new Revisions(settings, spec.id);
  const onError = (error: unknown): void =>
    logger.error({ err: error }, "looking for changes of the package set failed");
  switch (spec.kind) {
    case "channel":
      return channelBackend({ channel: spec.channel, settings, revisions, channels, archive });
    case "git":
      return gitBackend({ id: spec.id, url: spec.url, settings, revisions });
    case "path":
      return pathBackend({ directory: spec.dir, settings, revisions, onError });
    case "starter": {
      const prepare = () =>
        prepareStarter({ stateDir: settings.stateDir, systems, log: (line) => logger.info(line) });
      return starterBackend({ settings, revisions, prepare, onError });
    }
  }
}

class StoreSet implements PackageSet {
  readonly id: string;
  readonly #settings: NixSettings;
  readonly #backend: Backend;
  readonly #roots: Roots;
  readonly #locks = new DerivationLocks();
  readonly #found = new Recent<Found>(MAX_FOUND);
  readonly #lists = new Recent<Promise<string[]>>(MAX_LISTS);

  constructor(id: string, settings: NixSettings, backend: Backend) {
    this.id = id;
    this.#settings = settings;
    this.#backend = backend;
    this.#roots = new Roots(join(settings.stateDir, "roots"));
  }

  resolve(tag: string, signal: AbortSignal): Promise<string> {
    return this.#backend.resolve(tag, signal);
  }

  watch(onChange: (tag: string, revision: string) => void): () => void {
    return this.#backend.watch(onChange);
  }

  async attributes(
    revision: string,
    system: System,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<readonly string[]> {
    return this.#names(revision, await this.#evaluation(revision, system, signal), []);
  }

  async build(
    { revision, system, names }: BuildRequest,
    { signal, log }: BuildOptions,
  ): Promise<BuildOutcome[]> {
    const limited = limitLog(log);
    try {
      return await this.#build(
        await this.#evaluation(revision, system, signal, limited.write),
        revision,
        [...new Set(names)],
        signal,
        limited.write,
      );
    } finally {
      limited.end();
    }
  }

  async #build(
    job: Evaluation,
    revision: string,
    names: readonly string[],
    signal: AbortSignal,
    log: (line: string) => void,
  ): Promise<BuildOutcome[]> {
    const outcomes = new Map<string, BuildOutcome>();
    const fail = (name: string, reason: Failure): void =>
      void outcomes.set(name, { kind: "failure", name, failure: reason });
    const packages: Found[] = [];
    for (const description of await this.#describe(job, revision, names)) {
      const { name } = description;
      if (description.kind !== "package")
        fail(name, explain(description, await this.#nearest(job, revision, description)));
      else if (isStorePath(description.storePath)) packages.push(description);
      else
        fail(
          name,
          failure(
            "refused",
            `${name} has no store path before it is built (a floating content-addressed derivation)`,
          ),
        );
    }
    const left = job.timeLeft();
    const instantiate = async (): Promise<void> => {
      await describe(
        { ...job, write: true },
        packages.map(({ name }) => name),
      );
    };
    const failures = await realise(
      {
        settings: this.#settings,
        roots: this.#roots,
        locks: this.#locks,
        signal,
        log,
        instantiate,
        timeLeft: () => left,
      },
      packages,
    );
    for (const found of packages) {
      const reason = failures.get(found.name) ?? damage(found);
      if (reason === undefined)
        outcomes.set(found.name, { kind: "built", package: builtPackage(found) });
      else fail(found.name, reason);
    }
    return names.flatMap((name) => outcomes.get(name) ?? []);
  }

  async #evaluation(
    revision: string,
    system: System,
    signal: AbortSignal,
    log?: (line: string) => void,
  ): Promise<Evaluation> {
    const source = await this.#backend.source(revision, signal);
    const start = Date.now();
    return {
      settings: this.#settings,
      source,
      system,
      signal,
      log,
      write: source.importFromDerivation,
      timeLeft: () => this.#settings.nixTimeout * 1_000 - (Date.now() - start),
    };
  }

  /**
   * A revision never changes: what was found, and is still in the store, need not be evaluated
   * again.
   */
  async #describe(
    job: Evaluation,
    revision: string,
    names: readonly string[],
  ): Promise<Description[]> {
    const key = (name: string): string => `${revision} ${job.system} ${name}`;
    const known = new Map<string, Description>();
    for (const name of names) {
      const found = this.#found.get(key(name));
      if (found !== undefined && this.#roots.holds([found.storePath])) known.set(name, found);
    }
    const rest = names.filter((name) => !known.has(name));
    for (const description of rest.length === 0 ? [] : await describe(job, rest)) {
      known.set(description.name, description);
      if (description.kind === "package") this.#found.set(key(description.name), description);
    }
    return names.flatMap((name) => known.get(name) ?? []);
  }

  async #nearest(job: Evaluation, revision: string, description: Description): Promise<string[]> {
    if (
      description.kind !== "missing" ||
      (description.type !== "set" && description.type !== "package")
    )
      return [];
    return nearest(
      await this.#names(revision, job, description.path),
      description.path,
      description.missing,
    );
  }

  #names(revision: string, job: Evaluation, path: readonly string[]): Promise<string[]> {
    const key = JSON.stringify([revision, job.system, path]);
    const known = this.#lists.get(key);
    if (known !== undefined) return known;
    // Shared by every job that asks, so none of them may end it.
    const list = attributeNames({ ...job, signal: undefined, log: undefined }, path);
    this.#lists.set(key, list);
    list.catch(() => this.#lists.delete(key));
    return list;
  }
}

/**
 * A store path that the database holds valid and somebody deleted by hand: no build brings it back.
 */
function damage({ storePath }: Found): Failure | undefined {
  if (lstatSync(storePath, { throwIfNoEntry: false }) !== undefined) return undefined;
  return failure(
    "error",
    `Nix's database is wrong about ${storePath}, which is not there: run nix-store --verify --check-contents --repair on this origin`,
  );
}
