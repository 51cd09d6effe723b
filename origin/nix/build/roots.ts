/**
 * Garbage collector roots of what was built. Nix makes them itself, atomically with the build
 * (`--out-link`, `--add-root`): links in a directory for each nix-build.
 *
 *   - A directory with store paths that a job has built, or packs, is held until the job is settled.
 *   - The other directories stay as long as the disk budget allows (`release`), but at most MAX_IDLE
 *     of them; the least recently used are removed first.
 *
 * The modification time of a directory says when it was last used, also after a restart.
 */
import { randomUUID } from "node:crypto";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { lockedDirectory, removeAbandoned } from "../../disk/temporary.ts";

/**
 * Most directories that no job holds, each with up to 80 packages: a garbage collection reads every
 * link, and a store on a large disk should not grow for ever.
 */
const MAX_IDLE = 1_000;

interface Directory {
  readonly paths: readonly string[];
  /** Jobs that still need it. */
  holders: number;
}

/** The roots in one directory. */
export class Roots {
  readonly #dir: string;
  /** Store path → the newest directory with a link to it. */
  readonly #paths = new Map<string, string>();
  /** The least recently used first. */
  readonly #directories = new Map<string, Directory>();
  /** The directories that each unsettled job holds. */
  readonly #held = new WeakMap<AbortSignal, Set<string>>();

  constructor(dir: string) {
    this.#dir = dir;
    mkdirSync(dir, { recursive: true });
    const left = readdirSync(dir).map((name) => ({
      directory: join(dir, name),
      used: statSync(join(dir, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }));
    // An empty one belongs to a process that builds now, or was left by a killed one.
    for (const { directory } of left.toSorted((a, b) => a.used - b.used))
      if (!this.#register(directory)) removeAbandoned(directory);
    this.#prune();
  }

  /** Directories that no job holds. */
  get idle(): number {
    return [...this.#directories.values()].filter(({ holders }) => holders === 0).length;
  }

  /**
   * Whether all paths exist and have roots, so that Nix need not be asked. If so, they are held
   * until `settled` aborts.
   */
  holds(paths: readonly string[], settled?: AbortSignal): boolean {
    if (!paths.every((path) => this.#paths.has(path) && exists(path))) return false;
    const directories = [...new Set(paths.map((path) => this.#paths.get(path) ?? ""))];
    return directories.map((directory) => this.#use(directory, settled)).every(Boolean);
  }

  /**
   * Makes a directory and calls `work`, which has Nix make its roots there: `link`, `link-2`, …
   * They are held until `settled` aborts.
   */
  async with<T>(work: (link: string) => Promise<T>, settled?: AbortSignal): Promise<T> {
    // The state directory may have been deleted.
    mkdirSync(this.#dir, { recursive: true });
    const directory = lockedDirectory(() => join(this.#dir, randomUUID()));
    try {
      return await work(join(directory.path, "r"));
    } finally {
      if (this.#register(directory.path)) directory.release();
      else directory.remove();
      this.#use(directory.path, settled);
      this.#prune();
    }
  }

  /**
   * Removes the least recently used half of the directories that no job holds; returns how many.
   * The store paths stay until Nix collects them.
   */
  release(): number {
    return this.#remove(Math.ceil(this.idle / 2));
  }

  /** Reads the links of a directory; false when it has none. */
  #register(directory: string): boolean {
    const paths = linksIn(directory);
    if (paths.length === 0) return false;
    this.#directories.set(directory, { paths, holders: 0 });
    for (const path of paths) this.#paths.set(path, directory);
    return true;
  }

  /** Makes it the most recently used; false when somebody has deleted it. */
  #use(name: string, settled: AbortSignal | undefined): boolean {
    const directory = this.#directories.get(name);
    if (directory === undefined) return false;
    if (!exists(name)) {
      this.#forget(name, directory);
      return false;
    }
    this.#directories.delete(name);
    this.#directories.set(name, directory);
    utimesSync(name, new Date(), new Date());
    if (settled !== undefined && !settled.aborted) this.#hold(name, directory, settled);
    return true;
  }

  #hold(name: string, directory: Directory, settled: AbortSignal): void {
    let held = this.#held.get(settled);
    if (held === undefined) {
      const mine = (held = new Set<string>());
      this.#held.set(settled, mine);
      settled.addEventListener("abort", () => this.#settle(mine), { once: true });
    }
    if (held.has(name)) return;
    held.add(name);
    directory.holders += 1;
  }

  #settle(held: ReadonlySet<string>): void {
    for (const name of held) {
      const directory = this.#directories.get(name);
      if (directory !== undefined) directory.holders -= 1;
    }
    this.#prune();
  }

  #prune(): void {
    this.#remove(this.idle - MAX_IDLE);
  }

  #remove(count: number): number {
    let removed = 0;
    for (const [name, directory] of this.#directories) {
      if (removed >= count) break;
      if (directory.holders > 0) continue;
      this.#forget(name, directory);
      rmSync(name, { recursive: true, force: true });
      removed += 1;
    }
    return removed;
  }

  #forget(name: string, { paths }: Directory): void {
    this.#directories.delete(name);
    for (const path of paths) if (this.#paths.get(path) === name) this.#paths.delete(path);
  }
}

/** The targets of a directory's links; none when another process has removed it. */
function linksIn(directory: string): string[] {
  try {
    return readdirSync(directory).map((name) => readlinkSync(join(directory, name)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
