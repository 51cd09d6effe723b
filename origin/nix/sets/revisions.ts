/**
 * The sources that this origin keeps: for each revision a link to its store path. The links are
 * garbage collector roots and survive a restart, so that a revision can be built later: old
 * revisions of a path set exist nowhere else. A link's time says when it was last used.
 */
import { lstatSync, lutimesSync, mkdirSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import pLimit from "p-limit";
import { nixOutput } from "../nix-output.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";

/** Sources kept: one of nixpkgs takes 200 to 400 MB. */
export const MAX_SOURCES = 20;

/** The sources of one package set. */
export class Revisions {
  readonly #dir: string;
  readonly #settings: NixSettings;
  readonly #oneAtATime = pLimit(1);

  constructor(settings: NixSettings, id: string) {
    this.#settings = settings;
    this.#dir = join(settings.stateDir, "sources", id);
    mkdirSync(this.#dir, { recursive: true });
  }

  /** The store path of a source; undefined when this origin does not have it. */
  get(revision: string): string | undefined {
    const link = join(this.#dir, revision);
    if (!exists(link)) return undefined;
    const path = readlinkSync(link);
    if (!exists(path)) return undefined;
    lutimesSync(link, new Date(), new Date());
    return path;
  }

  /**
   * The store path of a source. `fetch` adds it to the store when this origin does not have it; one
   * source is fetched at a time, so that two jobs do not fetch the same one.
   */
  getOrFetch(revision: string, signal: AbortSignal, fetch: () => Promise<string>): Promise<string> {
    return this.#oneAtATime(async () => {
      const known = this.get(revision);
      if (known !== undefined) return known;
      const path = await fetch();
      await this.keep(revision, path, signal);
      return path;
    });
  }

  /** Makes a link to the store path, and removes the least recently used beyond MAX_SOURCES. */
  async keep(revision: string, path: string, signal: AbortSignal): Promise<void> {
    await nixOutput(
      "the package set's source cannot be kept",
      "nix-store",
      ["--realise", "--add-root", join(this.#dir, revision), "--", path],
      { env: nixEnvironment(this.#settings), signal },
    );
    // Another process (firn build) may remove links at the same time.
    const links = readdirSync(this.#dir).map((name) => ({
      link: join(this.#dir, name),
      used: lstatSync(join(this.#dir, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
    }));
    for (const { link } of links.toSorted((a, b) => b.used - a.used).slice(MAX_SOURCES))
      rmSync(link, { force: true });
  }
}

const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
