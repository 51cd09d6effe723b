/**
 * The embedded package set (kind `starter`). It is made from Debian's archive, so its revision
 * changes with the archive: it is made again at intervals, and a new revision is announced.
 */
import { failed } from "../failures.ts";
import { starterAbout, starterMetadata } from "./about.ts";
import { repeating } from "./repeat.ts";
import { MAX_SOURCES, type Revisions } from "./revisions.ts";
import type { NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { snapshot } from "./snapshot.ts";
import { isRevision, type Sources } from "./source.ts";

/** Time between two updates, ms; Debian publishes four times a day. */
const REFRESH = 6 * 60 * 60 * 1_000;

export interface StarterSetOptions {
  readonly settings: NixSettings;
  readonly revisions: Revisions;
  /** Makes the set from today's archive and returns its directory, which never changes. */
  readonly prepare: () => Promise<{ readonly dir: string }>;
  readonly onError: (error: unknown) => void;
  /** Time between two updates, ms. */
  readonly refresh?: number;
}

/** The sources of the starter set, which is made first. Throws an Error when it cannot be made. */
export async function starterSources({
  settings,
  revisions,
  prepare,
  onError,
  refresh = REFRESH,
}: StarterSetOptions): Promise<Sources> {
  let dir = "";
  let latest = "";
  /** Makes the set again; whether its revision has changed. */
  const update = async (signal: AbortSignal): Promise<boolean> => {
    const prepared = await prepare();
    if (prepared.dir === dir && revisions.get(latest) !== undefined) return false;
    const { path, revision } = await snapshot(prepared.dir, [], settings, signal);
    await revisions.keep(revision, path, signal);
    const changed = revision !== latest;
    dir = prepared.dir;
    latest = revision;
    return changed;
  };
  await update(new AbortController().signal);

  return {
    async resolve(tag, signal) {
      if (tag === "latest") {
        // Its source may have been given up to free disk space.
        if (revisions.get(latest) === undefined) await update(signal);
        return latest;
      }
      if (!isRevision(tag)) throw unknownTag(tag);
      if (revisions.get(tag) === undefined) throw unknownRevision(tag);
      return tag;
    },
    async source(revision) {
      const path = revisions.get(revision);
      if (path === undefined) throw unknownRevision(revision);
      return { path, importFromDerivation: false };
    },
    async about(revision, system) {
      const path = revisions.get(revision);
      return path === undefined ? undefined : starterAbout(path, system);
    },
    async metadata(revision, system) {
      const path = revisions.get(revision);
      return path === undefined ? undefined : starterMetadata(path, system);
    },
    watch(onChange) {
      const { again, stop } = repeating(async (signal) => {
        if ((await update(signal)) && !signal.aborted) onChange("latest", latest);
      }, onError);
      const first = setImmediate(() => onChange("latest", latest));
      const timer = setInterval(() => void again(), refresh).unref();
      return () => {
        clearImmediate(first);
        clearInterval(timer);
        return stop();
      };
    },
  };
}

const unknownTag = (tag: string): Error =>
  failed(
    "unknown",
    `there is no tag ${tag}: the starter set's tags are latest and the 40 hex digits of a revision ` +
      `that latest has been`,
  );

const unknownRevision = (revision: string): UnknownRevisionError =>
  new UnknownRevisionError(
    revision,
    "origin",
    `no starter set of the revision ${revision} is left: an origin keeps the last ` +
      `${MAX_SOURCES} revisions that it has served`,
  );
