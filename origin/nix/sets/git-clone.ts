/**
 * The clones of a repository, from which commits are checked out into the Nix store. There are two
 * bare clones: `tips` for single commits (`--depth 1`), `history` for whole branches.
 */
import { mkdirSync, rmSync, utimesSync } from "node:fs";
import { join } from "node:path";
import pLimit from "p-limit";
import { whileLocked } from "../../disk/file-lock.ts";
import { temporaryDirectory } from "../../disk/temporary.ts";
import { nixOutput } from "../nix-output.ts";
import type { RunResult } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";
import {
  git,
  gitFailure,
  type GitOptions,
  gitOutput,
  localEnvironment,
  remoteEnvironment,
} from "./git-command.ts";
import { bareUrl, withGitCredentials } from "./credentials.ts";
import { isRevision } from "./source.ts";

/** Longest ls-remote, ms: a client waits for the answer. */
const LIST_TIMEOUT = 60_000;
const EVERY_REF = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];
/** Fetches only the given refs; git's own maintenance runs in the foreground. */
const FETCH = [
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

/**
 * git's messages about a clone that a killed git or a power failure has damaged (an abandoned lock
 * file, an incomplete object), so that every later fetch would fail.
 */
const LEFT_BROKEN = /\.lock': File exists|\bis (empty|corrupt)\b|\bbad object\b/;

interface Repository {
  /** Directory of the clones. */
  readonly directory: string;
  /** As configured, with its user information. */
  readonly url: string;
  readonly settings: NixSettings;
}

/** The clones of one repository. */
export class GitClone {
  readonly #repository: Repository;
  /** The URL for command lines: without user and password. */
  readonly #url: string;
  readonly #remoteEnv: Readonly<Record<string, string>>;
  /**
   * Of the calls that write to a clone: git's own locks fail, they do not wait. Another `firn
   * build` may use the clones as well.
   */
  readonly #oneAtATime = pLimit(1);

  /** Opens the clones; makes their directory when it is absent. */
  static async open(repository: Repository): Promise<GitClone> {
    mkdirSync(repository.directory, { recursive: true });
    const { stdout } = await git(["config", "--get", "core.sshCommand"], {
      env: remoteEnvironment(),
      signal: new AbortController().signal,
      timeout: LIST_TIMEOUT,
    });
    return new GitClone(repository, stdout.trim() || undefined);
  }

  private constructor(repository: Repository, sshCommand: string | undefined) {
    this.#repository = repository;
    const bare = bareUrl(repository.url);
    this.#url = bare.url;
    this.#remoteEnv = withGitCredentials(bare, remoteEnvironment(sshCommand));
  }

  /** The remote's refs that match a pattern, and the object that each names. */
  async refs(patterns: readonly string[], signal: AbortSignal): Promise<Map<string, string>> {
    const output = await gitOutput(
      "the repository cannot be read",
      ["ls-remote", "--quiet", "--", this.#url, ...patterns],
      { ...this.#remote(signal), timeout: LIST_TIMEOUT },
    );
    const refs = output.split("\n").map((line) => line.split("\t"));
    return new Map(
      refs.flatMap(([commit = "", ref = ""]) => (isRevision(commit) ? [[ref, commit]] : [])),
    );
  }

  /**
   * Fetches a single commit; returns the clone that has it, or undefined when the server does not
   * give it.
   */
  fetchTip(commit: string, signal: AbortSignal): Promise<string | undefined> {
    return this.#alone(signal, () => this.#fetchCommit(commit, signal));
  }

  async #fetchCommit(commit: string, signal: AbortSignal): Promise<string | undefined> {
    const refs = ["--depth", "1", "--", this.#url, `+${commit}:refs/heads/tip`];
    const { directory, result } = await this.#fetch("tips", refs, signal);
    return result.exitCode === 0 ? directory : undefined;
  }

  /** Fetches every branch and tag; returns the clone, or undefined when none has the commit. */
  async fetchHistory(commit: string, signal: AbortSignal): Promise<string | undefined> {
    const directory = await this.#fetchAll(signal);
    const containing = await git(
      [
        "--git-dir",
        directory,
        "for-each-ref",
        "--count=1",
        "--format=%(refname)",
        "--contains",
        commit,
      ],
      this.#local(signal),
    );
    return containing.exitCode === 0 && containing.stdout.trim() !== "" ? directory : undefined;
  }

  /**
   * The first commit, from `head` back by first parents, that was committed by the end of the day
   * (yyyy-mm-dd, UTC); undefined when all are younger. Fetches every branch and tag.
   */
  async commitOn(day: string, head: string, signal: AbortSignal): Promise<string | undefined> {
    const directory = await this.#fetchAll(signal);
    const range = ["--first-parent", "--max-count=1", `--until=${day}T23:59:59Z`];
    const found = await gitOutput(
      `the history of the repository cannot be read`,
      ["--git-dir", directory, "rev-list", ...range, head, "--"],
      this.#local(signal),
    );
    return found.trim() || undefined;
  }

  /** When a commit of the clone was committed, seconds since 1970. */
  async committedAt(clone: string, commit: string, signal: AbortSignal): Promise<number> {
    const time = await gitOutput(
      `the commit ${commit} cannot be read`,
      ["--git-dir", clone, "show", "--no-patch", "--format=%ct", commit, "--"],
      this.#local(signal),
    );
    return Number(time.trim());
  }

  #fetchAll(signal: AbortSignal): Promise<string> {
    return this.#alone(signal, async () => {
      const refs = ["--prune", "--", this.#url, ...EVERY_REF];
      const { directory, result } = await this.#fetch("history", refs, signal);
      if (result.exitCode !== 0) throw gitFailure("the repository cannot be fetched", result);
      return directory;
    });
  }

  #alone<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    const { directory } = this.#repository;
    return this.#oneAtATime(() => whileLocked(directory, signal, work));
  }

  /** Fetches into a clone; removes a damaged clone and fetches again. */
  async #fetch(
    name: "tips" | "history",
    refs: readonly string[],
    signal: AbortSignal,
  ): Promise<{ readonly directory: string; readonly result: RunResult }> {
    const fetch = async () => {
      const directory = await this.#init(name, signal);
      const args = ["--git-dir", directory, ...FETCH, ...refs];
      return { directory, result: await git(args, this.#remote(signal)) };
    };
    const first = await fetch();
    const isBroken = first.result.stderr.some((line) => LEFT_BROKEN.test(line));
    if (first.result.exitCode === 0 || !isBroken) return first;
    rmSync(first.directory, { recursive: true, force: true });
    return fetch();
  }

  /** Adds the commit's files to the store, exactly as committed; returns the store path. */
  async addToStore(clone: string, commit: string, signal: AbortSignal): Promise<string> {
    const work = temporaryDirectory(this.#repository.directory, "tree");
    try {
      // The directory's name is part of the store path: Nix's own fetchers use `source` too.
      const source = join(work.path, "source");
      mkdirSync(source);
      const local = this.#local(signal);
      const options = {
        ...local,
        env: {
          ...local.env,
          GIT_INDEX_FILE: join(work.path, "index"),
          GIT_DIR: clone,
          GIT_WORK_TREE: source,
        },
        cwd: source,
      };
      const what = `the commit ${commit} cannot be checked out`;
      await gitOutput(what, ["read-tree", commit], options);
      await gitOutput(what, ["checkout-index", "--all", "--force"], options);
      const path = await nixOutput(
        "the package set's source cannot be added to the store",
        "nix-store",
        ["--add", "--", source],
        { env: nixEnvironment(this.#repository.settings), signal, timeout: local.timeout },
      );
      return path.trim();
    } finally {
      work.remove();
    }
  }

  async #init(name: "tips" | "history", signal: AbortSignal): Promise<string> {
    const directory = join(this.#repository.directory, `${name}.git`);
    await gitOutput(
      "the clone cannot be made",
      ["init", "--quiet", "--bare", "--", directory],
      this.#local(signal),
    );
    // Says when it was last used (disk/state-files.ts).
    utimesSync(directory, new Date(), new Date());
    return directory;
  }

  #remote(signal: AbortSignal): GitOptions {
    return { env: this.#remoteEnv, signal, timeout: this.#repository.settings.nixTimeout * 1_000 };
  }

  #local(signal: AbortSignal): GitOptions {
    return {
      env: localEnvironment(),
      signal,
      timeout: this.#repository.settings.nixTimeout * 1_000,
    };
  }
}
