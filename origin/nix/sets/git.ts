/**
 * A package set in a git repository (kind `git`). A tag is a ref: a branch, else a git tag;
 * `latest` is HEAD; 40 hex digits are that commit. Submodules are not followed, files kept by LFS
 * stay pointers.
 *
 * A commit is served only when a branch or tag of the repository leads to it: hosts such as GitHub
 * hand out every commit of every fork under the repository's own URL, so anybody could have
 * anything built in its name. A tip is fetched alone (`--depth 1`); for an older commit the whole
 * history is.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import pLimit from "p-limit";
import { type Backend, REVISION, unwatched } from "./source.ts";
import { failed } from "../failures.ts";
import {
  git,
  gitFailure,
  type GitOptions,
  gitOutput,
  localEnvironment,
  remoteEnvironment,
} from "./git-command.ts";
import type { Revisions } from "./revisions.ts";
import type { NixSettings } from "../settings.ts";
import { storeAdd } from "./store-add.ts";
import { UnknownRevisionError } from "../types.ts";

export interface GitSetOptions {
  readonly id: string;
  /** As configured, with its user information. */
  readonly url: string;
  readonly settings: NixSettings;
  readonly revisions: Revisions;
}

/** Longest ls-remote, ms: somebody waits for the answer. */
const LIST_TIMEOUT = 60_000;
/** Refs that only the repository's owners move; refs/pull/… is anybody's. */
const OWN_REF = /^(HEAD$|refs\/heads\/|refs\/tags\/)/;
const EVERY_REF = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/**
 * Fetches what is named and nothing beside it; housekeeping ends with the fetch instead of going on
 * behind it.
 */
const fetchInto = (directory: string): string[] => [
  "--git-dir",
  directory,
  "-c",
  "gc.autoDetach=false",
  "-c",
  "maintenance.autoDetach=false",
  "fetch",
  "--quiet",
  "--no-tags",
  "--no-write-fetch-head",
  "--no-recurse-submodules",
];

export async function gitBackend({
  id,
  url,
  settings,
  revisions,
}: GitSetOptions): Promise<Backend> {
  const top = join(settings.stateDir, "git", id);
  mkdirSync(top, { recursive: true });
  const configured = await git(["config", "--get", "core.sshCommand"], {
    env: remoteEnvironment(undefined),
    signal: new AbortController().signal,
    timeout: LIST_TIMEOUT,
  });
  const env = remoteEnvironment(
    configured.stdout.trim() === "" ? undefined : configured.stdout.trim(),
  );
  const remote = (signal: AbortSignal): GitOptions => ({
    env,
    signal,
    timeout: settings.nixTimeout * 1_000,
  });
  const local = (signal: AbortSignal): GitOptions => ({
    env: localEnvironment(),
    signal,
    timeout: settings.nixTimeout * 1_000,
  });
  // One clone, one git at a time.
  const alone = pLimit(1);

  const list = async (
    patterns: readonly string[],
    signal: AbortSignal,
  ): Promise<Map<string, string>> => {
    const output = await gitOutput(
      "the repository cannot be read",
      ["ls-remote", "--quiet", "--", url, ...patterns],
      { ...remote(signal), timeout: LIST_TIMEOUT },
    );
    return new Map(
      output.split("\n").flatMap((line) => {
        const [commit = "", ref = ""] = line.split("\t");
        return REVISION.test(commit) ? [[ref, commit] as const] : [];
      }),
    );
  };

  const clone = async (name: "tips" | "history", signal: AbortSignal): Promise<string> => {
    const directory = join(top, `${name}.git`);
    await gitOutput(
      "the clone cannot be made",
      ["init", "--quiet", "--bare", "--", directory],
      local(signal),
    );
    return directory;
  };

  const fetchCommit = async (revision: string, signal: AbortSignal): Promise<string> => {
    const refs = await list(["HEAD", "refs/heads/*", "refs/tags/*"], signal);
    if ([...refs].some(([ref, tip]) => tip === revision && OWN_REF.test(ref))) {
      const directory = await clone("tips", signal);
      const tip = await git(
        [...fetchInto(directory), "--depth", "1", "--", url, `+${revision}:refs/heads/tip`],
        remote(signal),
      );
      if (tip.exitCode === 0) return directory;
      // A server may refuse to hand out single commits: the history has it too.
    }
    const directory = await clone("history", signal);
    await gitOutput(
      "the repository cannot be fetched",
      [...fetchInto(directory), "--prune", "--", url, ...EVERY_REF],
      remote(signal),
    );
    const leading = await git(
      [
        "--git-dir",
        directory,
        "for-each-ref",
        "--count=1",
        "--format=%(refname)",
        "--contains",
        revision,
      ],
      local(signal),
    );
    if (leading.exitCode !== 0 || leading.stdout.trim() === "")
      throw new UnknownRevisionError(
        revision,
        "set",
        `no branch or tag of the repository contains the commit ${revision}`,
      );
    return directory;
  };

  const checkOut = async (
    directory: string,
    revision: string,
    signal: AbortSignal,
  ): Promise<string> => {
    const work = mkdtempSync(join(top, "tree-"));
    try {
      const source = join(work, "source");
      mkdirSync(source);
      const options = {
        ...local(signal),
        env: {
          ...localEnvironment(),
          GIT_INDEX_FILE: join(work, "index"),
          GIT_DIR: directory,
          GIT_WORK_TREE: source,
        },
        cwd: source,
      };
      const read = await git(["read-tree", revision], options);
      if (read.exitCode !== 0) throw gitFailure(`the commit ${revision} cannot be read`, read);
      await gitOutput(
        `the commit ${revision} cannot be checked out`,
        ["checkout-index", "--all", "--force"],
        options,
      );
      return await storeAdd(source, settings, signal);
    } finally {
      rmSync(work, { recursive: true, force: true });
    }
  };

  const ensure = (revision: string, signal: AbortSignal): Promise<string> =>
    alone(async () => {
      const known = revisions.get(revision);
      if (known !== undefined) return known;
      const path = await checkOut(await fetchCommit(revision, signal), revision, signal);
      await revisions.set(revision, path, signal);
      return path;
    });

  return {
    async resolve(tag, signal) {
      if (REVISION.test(tag)) {
        await ensure(tag, signal);
        return tag;
      }
      const wanted =
        tag === "latest"
          ? ["HEAD"]
          : [`refs/heads/${tag}`, `refs/tags/${tag}^{}`, `refs/tags/${tag}`];
      const refs = await list(wanted, signal);
      const commit = wanted.map((ref) => refs.get(ref)).find((found) => found !== undefined);
      if (commit !== undefined) return commit;
      const meaning =
        "tags here are latest (HEAD), the branches and tags of a git repository, and full commits of 40 hex digits";
      throw failed(
        "unknown",
        tag === "latest"
          ? "the repository has no HEAD: it is empty"
          : `there is no tag ${tag} here: ${meaning}`,
      );
    },
    source: async (revision, signal) => ({
      path: await ensure(revision, signal),
      importFromDerivation: true,
    }),
    watch: unwatched,
  };
}
