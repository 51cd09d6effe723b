/**
 * Garbage collector roots of what was built: `nix-collect-garbage` must not remove a store path
 * between its build and the end of its packing. Nix makes them itself, atomically with the build
 * (`--out-link`, `--add-root`). Each job has a directory of links; the newest MAX_JOBS are kept, and
 * none is removed before MIN_AGE. So what is being packed is safe, and what is asked for again soon
 * is still built.
 */
import { randomUUID } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";

/** Job directories kept; a job holds up to 80 packages. */
const MAX_JOBS = 256;
/** No root is removed before this age, ms: longer than any build and its upload may take. */
const MIN_AGE = 6 * 60 * 60 * 1_000;

export class Roots {
  readonly #dir: string;
  /** Store path → the newest job directory with a link to it. */
  readonly #paths = new Map<string, string>();
  /** Job directories, the oldest first. */
  readonly #jobs = new Map<string, { readonly since: number; readonly paths: readonly string[] }>();

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
    const left = readdirSync(dir).map((name) => ({
      job: join(dir, name),
      since: statSync(join(dir, name)).mtimeMs,
    }));
    for (const { job, since } of left.toSorted((a, b) => a.since - b.since))
      this.#register(job, since);
  }

  /** Whether all paths exist and have roots, so that Nix need not be asked. */
  holds(paths: readonly string[]): boolean {
    return paths.every((path) => this.#paths.has(path) && exists(path));
  }

  /**
   * Makes a directory for a job's links and calls `work`, in which Nix makes them: `link`, `link-2`,
   * …
   */
  async with<T>(work: (link: string) => Promise<T>): Promise<T> {
    const job = join(this.#dir, randomUUID());
    mkdirSync(job);
    try {
      return await work(join(job, "r"));
    } finally {
      this.#register(job, Date.now());
    }
  }

  /** Reads a job directory; an empty one is removed. */
  #register(job: string, since: number): void {
    const paths = readdirSync(job).map((name) => readlinkSync(join(job, name)));
    if (paths.length === 0) return rmSync(job, { recursive: true });
    this.#jobs.set(job, { since, paths });
    for (const path of paths) this.#paths.set(path, job);
    this.#prune();
  }

  #prune(): void {
    for (const [job, { since, paths }] of this.#jobs) {
      if (this.#jobs.size <= MAX_JOBS || Date.now() - since < MIN_AGE) return;
      this.#jobs.delete(job);
      for (const path of paths) if (this.#paths.get(path) === job) this.#paths.delete(path);
      for (const name of readdirSync(job)) unlinkSync(join(job, name));
      rmSync(job, { recursive: true });
    }
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
