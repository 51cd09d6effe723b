/**
 * Finds files of a layer that are equal to an earlier one, to which they become hard links.
 * Contents and mode decide, not inodes, so that an optimised store (auto-optimise-store) gives the
 * same layer as any other. Such files have 2 % of the bytes of the starter set, and 6 % of `shell`
 * (which has perl twice); compressors do not find repetitions that far apart.
 *
 * Only files of equal size and mode are read for this, once more each.
 */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { fileName, requireUnchanged, type TreeEntry } from "./tree.ts";

/** Smaller files, bytes, are not compared: a link would save little. */
const LEAST_BYTES = 4_096;
/** The buffer that files are read into, which is synchronous. */
const buffer = Buffer.allocUnsafeSlow(256 * 1_024);

/** Files of one size and mode: the only one so far, or the paths of several by their hash. */
type Group = TreeEntry | Map<string, string>;

/** The files of one layer. */
export class EqualFiles {
  readonly #root: string;
  readonly #groups = new Map<string, Group>();

  /** `root`: the directory to which the entries' paths are relative. */
  constructor(root: string) {
    this.#root = Buffer.from(root).toString("latin1");
  }

  /**
   * The path of an earlier file that is equal to this one; undefined when there is none, or it is
   * too small. Throws a ChangedError when a file is changed while it is read.
   */
  before(entry: TreeEntry): string | undefined {
    const { fd, stats, mode, path } = entry;
    if (fd === undefined || stats === undefined || stats.size < LEAST_BYTES) return undefined;
    const key = `${stats.size} ${mode}`;
    const group = this.#groups.get(key);
    if (group === undefined) {
      this.#groups.set(key, entry);
      return undefined;
    }
    const paths = group instanceof Map ? group : new Map([[this.#reopened(group), group.path]]);
    this.#groups.set(key, paths);
    const hash = hashOf(entry, fd);
    const first = paths.get(hash);
    if (first === undefined) paths.set(hash, path);
    return first;
  }

  #reopened(entry: TreeEntry): string {
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const fd = openSync(fileName(`${this.#root}/${entry.path}`), flags);
    try {
      return hashOf(entry, fd);
    } finally {
      closeSync(fd);
    }
  }
}

function hashOf(entry: TreeEntry, fd: number): string {
  const hash = createHash("sha256");
  let at = 0;
  for (;;) {
    const read = readSync(fd, buffer, 0, buffer.length, at);
    if (read === 0) break;
    hash.update(buffer.subarray(0, read));
    at += read;
  }
  requireUnchanged(entry, fd);
  return hash.digest("base64");
}
