/**
 * A package set in a git repository (kind `git`). A tag of an image is a branch, else a git tag;
 * `latest` is HEAD; 40 hex digits are that commit. A day (`2026-11-01`) that is no ref is the state
 * of the default branch at its end: the first commit, from HEAD back by first parents, that was
 * committed by then (UTC). Submodules are not fetched, and files of LFS stay pointers.
 *
 * A commit is served only when a branch or tag of the repository contains it: hosts such as GitHub
 * serve the commits of every fork under the repository's own URL, so anybody could have anything
 * built. The tip of a branch or tag is fetched alone; for an older commit the whole history is.
 */
import { join } from "node:path";
import { failed } from "../failures.ts";
import type { NixSettings } from "../settings.ts";
import { UnknownRevisionError } from "../types.ts";
import { GitClone } from "./git-clone.ts";
import type { Revisions } from "./revisions.ts";
import { isRevision, type Sources, unwatched } from "./source.ts";
import { tagNames } from "./tag-names.ts";

export interface GitSetOptions {
  readonly id: string;
  /** As configured, with its user information. */
  readonly url: string;
  readonly settings: NixSettings;
  readonly revisions: Revisions;
}

/** Refs that only the repository's owners can change; everybody can create refs/pull/…. */
const OWN_REFS = ["HEAD", "refs/heads/*", "refs/tags/*"];
const OWN_REF = /^(HEAD$|refs\/heads\/|refs\/tags\/)/;

/** The sources of a git repository, which is not contacted yet. */
export async function gitSources({
  id,
  url,
  settings,
  revisions,
}: GitSetOptions): Promise<Sources> {
  const repository = await GitClone.open({
    directory: join(settings.stateDir, "git", id),
    url,
    settings,
  });
  const fetch = async (revision: string, signal: AbortSignal): Promise<string> => {
    const clone = await fetchOwn(repository, revision, signal);
    return repository.addToStore(clone, revision, signal);
  };
  const source = async (revision: string, signal: AbortSignal): Promise<string> =>
    revisions.getOrFetch(revision, signal, () => fetch(revision, signal));
  return {
    async resolve(tag, signal) {
      if (!isRevision(tag)) return commitOf(repository, tag, signal);
      await source(tag, signal);
      return tag;
    },
    source: async (revision, signal) => ({
      path: await source(revision, signal),
      importFromDerivation: true,
    }),
    async committedAt(revision, signal) {
      const clone = await fetchOwn(repository, revision, signal);
      return repository.committedAt(clone, revision, signal);
    },
    async tags(signal) {
      return tagNames((await repository.refs(OWN_REFS, signal)).keys());
    },
    watch: unwatched,
  };
}

/**
 * Fetches a commit that one of OWN_REFS contains; returns the clone that has it. Throws an
 * UnknownRevisionError when there is none.
 */
async function fetchOwn(
  repository: GitClone,
  revision: string,
  signal: AbortSignal,
): Promise<string> {
  const refs = await repository.refs(OWN_REFS, signal);
  const isTip = [...refs].some(([ref, tip]) => tip === revision && OWN_REF.test(ref));
  const tip = isTip ? await repository.fetchTip(revision, signal) : undefined;
  const clone = tip ?? (await repository.fetchHistory(revision, signal));
  if (clone !== undefined) return clone;
  throw new UnknownRevisionError(
    revision,
    "set",
    `no branch or tag of the repository contains the commit ${revision}`,
  );
}

/** A date as a tag. */
const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** The commit that a branch or git tag names; HEAD's for `latest`; that of a day. */
async function commitOf(repository: GitClone, tag: string, signal: AbortSignal): Promise<string> {
  // An annotated tag is an object of its own; with ^{} it is the commit.
  const wanted =
    tag === "latest" ? ["HEAD"] : [`refs/heads/${tag}`, `refs/tags/${tag}^{}`, `refs/tags/${tag}`];
  const refs = await repository.refs(DAY.test(tag) ? [...wanted, "HEAD"] : wanted, signal);
  const commit = wanted.map((ref) => refs.get(ref)).find((found) => found !== undefined);
  if (commit !== undefined) return commit;
  if (DAY.test(tag)) return commitOn(repository, tag, refs.get("HEAD"), signal);
  throw failed(
    "unknown",
    tag === "latest"
      ? "the repository has no HEAD: it is empty"
      : `there is no tag ${tag}: tags are latest (HEAD), the branches and tags of a git ` +
          `repository, days (2026-11-01), and full commits of 40 hex digits`,
  );
}

/** What the default branch was at the end of a day. */
async function commitOn(
  repository: GitClone,
  day: string,
  head: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  const time = Date.parse(`${day}T00:00:00Z`);
  const isDay = !Number.isNaN(time) && new Date(time).toISOString().startsWith(day);
  if (!isDay) throw failed("unknown", `there is no day ${day}, and no branch or tag of that name`);
  const now = new Date();
  if (time > now.getTime())
    throw failed(
      "unknown",
      `the day ${day} is in the future: today is ${now.toISOString().slice(0, day.length)} (UTC)`,
    );
  const commit = head && (await repository.commitOn(day, head, signal));
  if (commit) return commit;
  throw failed("unknown", `the default branch has no commit from ${day} or before`);
}
