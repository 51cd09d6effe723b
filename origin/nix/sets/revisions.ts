/**
 * Which store path holds a revision's source, kept across restarts as links that are also garbage
 * collector roots: a revision resolved once can be built again later, and a path's old revisions
 * exist nowhere else.
 */
import { lutimesSync, mkdirSync, readdirSync, readlinkSync, lstatSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { failed } from "../failures.ts";
import { errorLine, machineTrouble } from "../error-message.ts";
import { run } from "../run.ts";
import { nixEnvironment, type NixSettings } from "../settings.ts";

/** Sources kept: one of nixpkgs takes 200 to 400 MB. */
export const MAX_SOURCES = 20;

export class Revisions {
  readonly #dir: string;
  readonly #settings: NixSettings;

  constructor(settings: NixSettings, id: string) {
    this.#settings = settings;
    this.#dir = join(settings.stateDir, "sources", id);
    mkdirSync(this.#dir, { recursive: true });
  }

  /** The source's store path, or undefined when this origin does not have it. */
  get(revision: string): string | undefined {
    const link = join(this.#dir, revision);
    if (lstatSync(link, { throwIfNoEntry: false }) === undefined) return undefined;
    const path = readlinkSync(link);
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined;
    // The link's time says when it was last used: the oldest go first.
    lutimesSync(link, new Date(), new Date());
    return path;
  }

  /** Remembers and roots it. */
  async set(revision: string, path: string, signal: AbortSignal): Promise<void> {
    const { exitCode, stderr } = await run(
      "nix-store",
      ["--realise", "--add-root", join(this.#dir, revision), "--", path],
      { env: nixEnvironment(this.#settings), signal },
    );
    if (exitCode !== 0) {
      const line = errorLine(stderr) ?? "Nix gave no reason";
      throw failed(
        "error",
        `the package set's source cannot be kept: ${machineTrouble(line) ?? line}`,
        { log: stderr },
      );
    }
    const links = readdirSync(this.#dir).map((name) => ({
      link: join(this.#dir, name),
      used: lstatSync(join(this.#dir, name)).mtimeMs,
    }));
    for (const { link } of links.toSorted((a, b) => b.used - a.used).slice(MAX_SOURCES))
      unlinkSync(link);
  }
}
