/**
 * Follows symlinks as the kernel does for a process whose root directory is `root`, for stores in
 * another place. Paths are binary strings (tree.ts).
 */
import { lstatSync, readlinkSync } from "node:fs";
import { fileName } from "./tree.ts";

/** Most symlinks that are followed, as in Linux (path_resolution(7)). */
const MAX_LINKS = 40;

/** Follows symlinks below one root. */
export class LinkResolver {
  readonly #root: string;
  /** Paths that are known to be directories and not symlinks. */
  readonly #directories = new Set<string>();

  /** `root` without trailing slash; empty for the machine's own. */
  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The directory that `path` (absolute within the root) leads to, free of symlinks; undefined when
   * it leads to anything else, or nowhere.
   */
  directory(path: string): string | undefined {
    const open = path.split("/").reverse();
    let at = "";
    for (let links = 0; open.length > 0;) {
      const name = open.pop() as string;
      if (name === "" || name === ".") continue;
      if (name === "..") {
        at = at.slice(0, Math.max(0, at.lastIndexOf("/")));
        continue;
      }
      const next = `${at}/${name}`;
      if (!this.#directories.has(next)) {
        const file = fileName(this.#root + next);
        const stats = lstatOf(file);
        if (stats?.isSymbolicLink()) {
          if (++links > MAX_LINKS) return undefined;
          const target = readlinkSync(file, { encoding: "buffer" }).toString("latin1");
          if (target.startsWith("/")) at = "";
          open.push(...target.split("/").reverse());
          continue;
        }
        if (!stats?.isDirectory()) return undefined;
        this.#directories.add(next);
      }
      at = next;
    }
    return at;
  }
}

function lstatOf(file: Buffer): ReturnType<typeof lstatSync> {
  try {
    return lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    // A link that leads through a file, or where this process may not look, leads nowhere in an
    // image.
    if (["ENOTDIR", "EACCES", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw error;
  }
}
