/**
 * Follows symlinks as the kernel would with `root` as its root directory, so that a store at
 * another place is read in the same way. Paths are binary strings.
 */
import { lstatSync, readlinkSync } from "node:fs";
import { fileName } from "./tree.ts";

/** Linux gives up after as many (path_resolution(7)). */
const MAX_LINKS = 40;

export class LinkResolver {
  readonly #root: string;
  /** Paths that are directories and no symlinks: most of what is asked again and again. */
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
    // A link may lead through a file, or where this user cannot look: to an image that is a link to
    // nowhere.
    if (["ENOTDIR", "EACCES", "ENAMETOOLONG"].includes((error as NodeJS.ErrnoException).code ?? ""))
      return undefined;
    throw error;
  }
}
