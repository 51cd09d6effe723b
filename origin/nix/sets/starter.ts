/**
 * The embedded package set (kind `starter`): made from Debian's archive as it is today, so its
 * revision changes when the archive does. It is made again now and then, and announced when it came
 * out differently.
 */
import { type Backend, REVISION } from "./source.ts";
import { failed } from "../failures.ts";
import { MAX_SOURCES, type Revisions } from "./revisions.ts";
import type { NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { snapshot } from "./snapshot.ts";

/** Time between two looks at the archive, ms; Debian publishes four times a day. */
const REFRESH = 6 * 60 * 60 * 1_000;

export interface StarterSetOptions {
  readonly settings: NixSettings;
  readonly revisions: Revisions;
  /**
   * Makes the set and says in which directory it lies; a directory never changes once it is named.
   */
  readonly prepare: () => Promise<{ readonly dir: string }>;
  readonly onError: (error: unknown) => void;
  /** Time between two looks at the archive, ms. */
  readonly refresh?: number;
}

export async function starterBackend({
  settings,
  revisions,
  prepare,
  onError,
  refresh = REFRESH,
}: StarterSetOptions): Promise<Backend> {
  let dir = "";
  let latest = "";
  const update = async (signal: AbortSignal): Promise<boolean> => {
    const prepared = await prepare();
    if (prepared.dir === dir) return false;
    const { path, revision } = await snapshot(prepared.dir, [], settings, signal);
    await revisions.set(revision, path, signal);
    const changed = revision !== latest;
    dir = prepared.dir;
    latest = revision;
    return changed;
  };
  await update(new AbortController().signal);

  return {
    async resolve(tag) {
      if (tag === "latest") return latest;
      if (!REVISION.test(tag))
        throw failed(
          "unknown",
          `there is no tag ${tag} here: the starter set's tags are latest and the 40 hex digits of a revision that latest had`,
        );
      if (revisions.get(tag) === undefined) throw unknownRevision(tag);
      return tag;
    },
    async source(revision) {
      const path = revisions.get(revision);
      if (path === undefined) throw unknownRevision(revision);
      return { path, importFromDerivation: false };
    },
    watch(onChange) {
      const stop = new AbortController();
      const look = async (): Promise<void> => {
        try {
          if ((await update(stop.signal)) && !stop.signal.aborted) onChange("latest", latest);
        } catch (error) {
          if (!stop.signal.aborted) onError(error);
        }
      };
      const timer = setInterval(() => void look(), refresh).unref();
      setImmediate(() => {
        if (!stop.signal.aborted) onChange("latest", latest);
      });
      return () => {
        stop.abort();
        clearInterval(timer);
      };
    },
  };
}

const unknownRevision = (revision: string): UnknownRevisionError =>
  new UnknownRevisionError(
    revision,
    "origin",
    `no starter set of the revision ${revision} is left: an origin keeps the last ${MAX_SOURCES} revisions that it has served`,
  );
