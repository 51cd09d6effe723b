/**
 * Where the files of a package set come from: how a tag becomes a revision, and a revision a source
 * in the Nix store. The kinds of package sets differ in nothing else.
 */
export { isRevision } from "../../../edge/contract/records.ts";

import type { Metadata } from "../../../edge/contract/closure.ts";
import type { System } from "../../../edge/contract/records.ts";
import type { StopWatching } from "../types.ts";
import type { Abouts } from "./about.ts";

/** The files of one revision, in the store. */
export interface Source {
  /** Store path of the directory with default.nix, or of a locked flake (flake.ts). */
  readonly path: string;
  /**
   * Whether an evaluation may build (import from derivation): nixpkgs does not need it, private
   * repositories do.
   */
  readonly importFromDerivation: boolean;
}

/** Every failure is thrown as a FailureError. */
export interface Sources {
  /** When a revision was committed, seconds since 1970; only for git repositories. */
  committedAt?(revision: string, signal: AbortSignal): Promise<number>;
  /** The revision that a tag means now. */
  resolve(tag: string, signal: AbortSignal): Promise<string>;
  /** Puts a revision into the store. Throws an UnknownRevisionError when it cannot be had. */
  source(revision: string, signal: AbortSignal): Promise<Source>;
  /** Versions and descriptions, where the kind has a list of them; undefined without one. */
  about?(revision: string, system: System, signal: AbortSignal): Promise<Abouts | undefined>;
  /**
   * What the set says of store paths, by their names without outputs, where the kind has a list of
   * it; elsewhere the set is evaluated.
   */
  metadata?(revision: string, system: System): Promise<ReadonlyMap<string, Metadata> | undefined>;
  /** Names of all tags except `latest`, commits and days; only for git repositories. */
  tags?(signal: AbortSignal): Promise<readonly string[]>;
  /** Calls back when a tag changes to another revision; returns a function that stops it. */
  watch(onChange: (tag: string, revision: string) => void): StopWatching;
}

/** `watch` of sets that are not watched. */
export const unwatched: Sources["watch"] = () => async () => {};
