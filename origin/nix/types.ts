/**
 * What this room gives to the rest of an origin: package sets, built packages, closures, errors.
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
  /** A warning of the package set about the name, mostly that it is deprecated. */
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

/** The result of a build for one name; the failure of one does not affect the others. */
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
  /** Ends the work with all its processes; the build then throws the signal's reason. */
  readonly signal: AbortSignal;
  /** Takes the lines of Nix's output, limited in length, rate and number (log.ts). */
  readonly log: (line: string) => void;
  /**
   * Until it aborts, this origin keeps the roots of what was built. Without it, roots may be given
   * up when the disk is short (build/roots.ts).
   */
  readonly settled?: AbortSignal | undefined;
  /** The edge's name for the build, for the environment of Nix (settings.ts). */
  readonly trace?: string | undefined;
}

/** Ends a watch; resolves when none of its work is running any more. */
export type StopWatching = () => Promise<void>;

/**
 * A package set at all its revisions. When a call fails as a whole it throws a FailureError; its
 * subclass UnknownRevisionError when there is no source of the revision. A name that does not exist
 * is an outcome of `build`, not an error.
 */
export interface PackageSet {
  /** `starter`, `channel`, `path` or `git-<16 hex>`: part of every key in the bucket. */
  readonly id: string;
  /** The revision that a tag means now. */
  resolve(tag: string, signal: AbortSignal): Promise<string>;
  /** Builds all names together. Returns one outcome for each distinct name, in their order. */
  build(request: BuildRequest, options: BuildOptions): Promise<BuildOutcome[]>;
  /**
   * Calls `onChange` when a tag gets another revision, which only path and starter sets notice.
   * Returns how to stop.
   */
  watch(onChange: (tag: string, revision: string) => void): StopWatching;
  /** Names of the set's tags (branches and tags of a git repository); undefined for other kinds. */
  tags(signal: AbortSignal): Promise<readonly string[] | undefined>;
  /**
   * All attribute names of the set, or of the nested set at `path`, as Nix spells them, sorted. The
   * attributes are not evaluated. Empty when there is no set at `path`.
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
   * Metadata of store paths by their names (`curl-8.11.0-bin`): that of the package with the same
   * name and version. What cannot be found within a few seconds is left out.
   */
  metadata(
    request: Pick<BuildRequest, "revision" | "system">,
    names: readonly string[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, Metadata>>;
  /**
   * Gives up garbage collector roots of what was built and no job needs: the least recently used
   * half. Returns how many. Nix may collect these store paths from then on.
   */
  release(): number;
}

/** An error with the failure that the client is told. */
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
  /** Whether it never will, since the evaluation depended on nothing but the revision. */
  readonly lasting: boolean;

  constructor(failure: Failure, { reason, lasting }: { reason: string; lasting: boolean }) {
    super(failure);
    this.name = "RefusedSetError";
    this.reason = reason;
    this.lasting = lasting;
  }
}
