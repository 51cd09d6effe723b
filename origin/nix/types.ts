/**
 * What the Nix side of an origin gives to the rest of it: package sets, what was built, closures.
 * Plain data and one interface; no I/O here.
 */
import type { License, Metadata } from "../../edge/contract/closure.ts";
import type { Digest } from "../../edge/contract/digest.ts";
import type { About } from "../../edge/contract/package-about.ts";
import type { Failure } from "../../edge/contract/items.ts";
import type { System } from "../../edge/contract/records.ts";

/** One store path as Nix's database knows it. */
export interface StorePathInfo {
  readonly path: string;
  /** In hex, whatever base Nix printed. */
  readonly narHash: Digest;
  /** Bytes of its NAR. */
  readonly narSize: number;
  /** Store paths that it refers to, sorted, without itself. */
  readonly references: readonly string[];
  /** The derivation that built it, where the database knows one. */
  readonly deriver?: string;
}

/** A closure: every store path that the roots need, the roots included, by path. */
export type Closure = ReadonlyMap<string, StorePathInfo>;

/** A requested package that is in the store, with what its record says about it. */
export interface BuiltPackage {
  /** The component as requested: `imagemagick`. */
  readonly name: string;
  /** The attribute that it found, as Nix spells it: `ImageMagick`. */
  readonly attribute: string;
  readonly pname: string;
  /** Empty when the package has none. */
  readonly version: string;
  readonly description?: string | undefined;
  /** What the package set says of the name when it is evaluated: that it is deprecated, mostly. */
  readonly warning?: string;
  /** File name below storePath's /bin; only when that file exists. */
  readonly mainProgram?: string;
  readonly storePath: string;
  /** What builds it, and which of its outputs it is. */
  readonly derivation: string;
  readonly output: string;
  readonly homepage?: string | undefined;
  readonly licenses: License[];
}

/** What became of one name of a build; a failure of one never spoils another. */
export type BuildOutcome =
  | { readonly kind: "built"; readonly package: BuiltPackage }
  | { readonly kind: "failure"; readonly name: string; readonly failure: Failure };

export interface BuildRequest {
  /** 40 lower-case hex digits, from `resolve` or from a client. */
  readonly revision: string;
  readonly system: System;
  /** Components of an image name, lower case; duplicates are answered once. */
  readonly names: readonly string[];
}

export interface BuildOptions {
  /** Aborting ends the work and every process of it; the build then throws the signal's reason. */
  readonly signal: AbortSignal;
  /** Takes Nix's output, line by line, bounded in length, rate and number (see run.ts). */
  readonly log: (line: string) => void;
  /**
   * Until it aborts, no garbage collection of this origin takes what was built; when left out, what
   * was built is only safe while the disk has room (see build/roots.ts).
   */
  readonly settled?: AbortSignal | undefined;
  /** What the logs call the build, for the environment of Nix's programs (settings.ts). */
  readonly trace?: string | undefined;
}

/** Stops calling back; resolves when nothing of it is under way any more. */
export type StopWatching = () => Promise<void>;

/**
 * Where packages come from, at every revision. A failure of the whole call is thrown as a
 * FailureError: one cause is one failure, however many names were asked for. A revision that cannot
 * be had is the subclass UnknownRevisionError, whose `scope` says whether another origin may have
 * it; a name that does not exist is an outcome of `build`, never one of these.
 */
export interface PackageSet {
  /** `starter`, `channel`, `path` or `git-<16 hex>`: part of every key in the bucket. */
  readonly id: string;
  /** The revision that a tag means now. */
  resolve(tag: string, signal: AbortSignal): Promise<string>;
  /**
   * Builds all names at once; one outcome per distinct name, in the order asked.
   */
  build(request: BuildRequest, options: BuildOptions): Promise<BuildOutcome[]>;
  /**
   * Calls back when a tag comes to mean another revision; only sets that can be watched (path,
   * starter) ever do. Returns how to stop.
   */
  watch(onChange: (tag: string, revision: string) => void): StopWatching;
  /**
   * Names of the set's tags, where there is a list of them: the branches and tags of a git
   * repository.
   */
  tags(signal: AbortSignal): Promise<readonly string[] | undefined>;
  /**
   * All attribute names of the set, or of the nested set at `path`, as Nix spells them, sorted;
   * none is evaluated. Nothing has no names: a path to no set gives an empty list.
   */
  attributes(
    revision: string,
    system: System,
    path?: readonly string[],
    signal?: AbortSignal,
  ): Promise<readonly string[]>;
  /**
   * Versions and descriptions by the attribute names of the set, or of the nested set at `path`;
   * undefined where there is no list of them.
   */
  about(
    revision: string,
    system: System,
    path?: readonly string[],
    signal?: AbortSignal,
  ): Promise<ReadonlyMap<string, About> | undefined>;
  /**
   * What the set says of store paths that a package depends on, by their names (`curl-8.11.0-bin`):
   * of the package that has the same name and version, where it has one. Nothing waits for long for
   * this, and nothing depends on it: what cannot be told in a few seconds is left out.
   */
  metadata(
    request: Pick<BuildRequest, "revision" | "system">,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Metadata>>;
  /**
   * Gives up garbage collector roots of what was built and no job needs, the least recently used
   * half; says how many. Nix may collect these store paths from then on.
   */
  release(): number;
}

/** Work that could not be done, for a reason that the client should be told. */
export class FailureError extends Error {
  readonly failure: Failure;

  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.name = "FailureError";
    this.failure = failure;
  }
}

/**
 * There is no source for a revision; thrown by `resolve`, `build` and `attributes`.
 *   scope "origin"  this origin does not have it, and another origin of the same package set may: a
 *                   starter or path set keeps only the revisions that it has served itself
 *   scope "set"     the git repository or nixpkgs has no such commit: every origin says the same
 */
export class UnknownRevisionError extends FailureError {
  readonly revision: string;
  readonly scope: "origin" | "set";

  constructor(revision: string, scope: "origin" | "set", message: string) {
    super({ reason: scope === "origin" ? "unknown-revision" : "unknown", message });
    this.name = "UnknownRevisionError";
    this.revision = revision;
    this.scope = scope;
  }
}

/** The package set, or a nested set, does not evaluate. */
export class RefusedSetError extends FailureError {
  /** In Nix's words. */
  readonly reason: string;
  /** Whether it never will: nothing was built for it, so nothing but the revision decides. */
  readonly lasting: boolean;

  constructor(failure: Failure, { reason, lasting }: { reason: string; lasting: boolean }) {
    super(failure);
    this.name = "RefusedSetError";
    this.reason = reason;
    this.lasting = lasting;
  }
}
