/**
 * A package set in a directory of this machine (kind `path`). Its revision is the hash of its
 * content: the first 160 bits of the NAR hash of a snapshot in the store, so the same files are the
 * same revision on every machine, and editing them later does not change what a revision means.
 */
import { realpathSync, statSync } from "node:fs";
import { isAbsolute, relative, resolve } from "node:path";
import pLimit from "p-limit";
import { type Backend, REVISION } from "./source.ts";
import { failed } from "../failures.ts";
import { fingerprint } from "./fingerprint.ts";
import { MAX_SOURCES, type Revisions } from "./revisions.ts";
import type { NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { snapshot } from "./snapshot.ts";
import { watchDirectory } from "./watch.ts";

export interface PathSetOptions {
  readonly directory: string;
  readonly settings: NixSettings;
  readonly revisions: Revisions;
  readonly onError: (error: unknown) => void;
  /** Time between two looks at all files, ms. */
  readonly poll?: number | undefined;
}

/** Throws when the directory is not there. */
export function pathBackend({
  directory,
  settings,
  revisions,
  onError,
  poll,
}: PathSetOptions): Backend {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`the package set's directory ${resolve(directory)} does not exist`);
  const top = realpathSync(directory);
  // The state may lie inside of what is served (`npm start` with path:.); it changes all the time
  // and is no source.
  const state = resolve(settings.stateDir);
  const inside = relative(top, state);
  const ignored = inside !== "" && !inside.startsWith("..") && !isAbsolute(inside) ? [state] : [];
  let last: { readonly hash: string; readonly revision: string } | undefined;

  // Two snapshots of one directory at once would be one too many.
  const alone = pLimit(1);
  const current = (signal: AbortSignal): Promise<string> =>
    alone(async () => {
      const { hash } = await fingerprint(top, ignored);
      if (last?.hash === hash && revisions.get(last.revision) !== undefined) return last.revision;
      const { path, revision } = await snapshot(top, ignored, settings, signal);
      await revisions.set(revision, path, signal);
      last = { hash, revision };
      return revision;
    });

  return {
    async resolve(tag, signal) {
      if (tag === "latest") return current(signal);
      if (!REVISION.test(tag))
        throw failed(
          "unknown",
          `there is no tag ${tag} here: packages come from a directory, whose tags are latest and the 40 hex digits of a revision that latest had`,
        );
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
      const stop = new AbortController();
      let announced: string | undefined;
      const announce = async (): Promise<void> => {
        try {
          const revision = await current(stop.signal);
          if (revision !== announced && !stop.signal.aborted) onChange("latest", revision);
          announced = revision;
        } catch (error) {
          if (!stop.signal.aborted) onError(error);
        }
      };
      void announce();
      const unwatch = watchDirectory(top, announce, {
        ignored,
        onError,
        ...(poll === undefined ? {} : { poll }),
      });
      return () => {
        stop.abort();
        unwatch();
      };
    },
  };
}

const unknownRevision = (revision: string): UnknownRevisionError =>
  new UnknownRevisionError(
    revision,
    "origin",
    `no snapshot of the revision ${revision} is left: an origin keeps the last ${MAX_SOURCES} revisions of a directory that it has served`,
  );
