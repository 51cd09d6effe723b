/**
 * A package set in a directory of this machine (kind `path`). Its revision is the hash of its
 * content (snapshot.ts), and its source is a snapshot in the store, which later changes of the
 * files do not affect.
 */
import { realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import pLimit from "p-limit";
import { failed } from "../failures.ts";
import { fingerprint } from "./fingerprint.ts";
import { repeating } from "./repeat.ts";
import { MAX_SOURCES, type Revisions } from "./revisions.ts";
import type { NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { snapshot } from "./snapshot.ts";
import { isRevision, type Sources } from "./source.ts";
import { watchDirectory } from "./watch.ts";

export interface PathSetOptions {
  readonly directory: string;
  readonly settings: NixSettings;
  readonly revisions: Revisions;
  readonly onError: (error: unknown) => void;
  /** Time between two scans of all files, ms. */
  readonly poll?: number | undefined;
}

/** The sources of a directory. Throws an Error when the directory does not exist. */
export function pathSources({
  directory,
  settings,
  revisions,
  onError,
  poll,
}: PathSetOptions): Sources {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`the package set's directory ${resolve(directory)} does not exist`);
  const top = realpathSync(directory);
  // The origin's state may be inside the directory (`npm start` with path:.); it is not a source.
  const state = resolve(settings.stateDir);
  const inside = relative(top, state);
  const ignored = inside !== "" && !inside.startsWith("..") && !isAbsolute(inside) ? [state] : [];
  let last: { readonly hash: string; readonly revision: string } | undefined;

  const oneAtATime = pLimit(1);
  /** The directory's revision now; takes a snapshot when the directory has changed. */
  const current = (signal: AbortSignal): Promise<string> =>
    oneAtATime(async () => {
      const { hash } = await fingerprint(top, ignored);
      if (last?.hash === hash && revisions.get(last.revision) !== undefined) return last.revision;
      const { path, revision } = await snapshot(top, ignored, settings, signal);
      await revisions.keep(revision, path, signal);
      last = { hash, revision };
      return revision;
    });

  return {
    async resolve(tag, signal) {
      if (tag === "latest") return current(signal);
      if (!isRevision(tag)) throw unknownTag(tag);
      if (revisions.get(tag) === undefined && (await current(signal)) !== tag)
        throw unknownRevision(tag);
      return tag;
    },
    async source(revision, signal) {
      const path =
        revisions.get(revision) ??
        ((await current(signal)) === revision ? revisions.get(revision) : undefined);
      if (path === undefined) throw unknownRevision(revision);
      return { path, importFromDerivation: true };
    },
    watch(onChange) {
      let announced: string | undefined;
      const { again, stop } = repeating(async (signal) => {
        const revision = await current(signal);
        if (revision !== announced && !signal.aborted) onChange("latest", revision);
        announced = revision;
      }, onError);
      void again();
      const unwatch = watchDirectory(top, again, { ignored, onError, poll });
      return () => {
        unwatch();
        return stop();
      };
    },
  };
}

const unknownTag = (tag: string): Error =>
  failed(
    "unknown",
    `there is no tag ${tag}: packages come from a directory, whose tags are latest and the 40 hex ` +
      `digits of a revision that latest has been`,
  );

const unknownRevision = (revision: string): UnknownRevisionError =>
  new UnknownRevisionError(
    revision,
    "origin",
    `no snapshot of the revision ${revision} is left: an origin keeps the last ${MAX_SOURCES} ` +
      `revisions of a directory that it has served`,
  );
