/**
 * The file tree of one store path, in the order of its tar. Entries are sorted by the bytes of
 * their whole paths, with a slash after those of directories (as in git), so that each directory
 * comes before its contents.
 *
 * A file with several names counts as several files. NARs have no hard links, so a store that has
 * fetched a path has none, one that has built it may have some, and an optimised one
 * (`auto-optimise-store`) has more. The walk gives the same in all of them.
 *
 * Names are binary strings (latin1), since file names in Linux are bytes, and binary strings
 * compare as bytes.
 */
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
} from "node:fs";
import { join } from "node:path";
import type { TarType } from "../../edge/contract/tar.ts";

export interface TreeEntry {
  /** Below the root, without leading slash: `nix/store/…`. */
  readonly path: string;
  readonly type: Exclude<TarType, "hardlink">;
  /** As Nix canonicalises it: 0555 for directories and executables, 0444 for other files. */
  readonly mode: number;
  readonly linkname?: string;
  /** The open file, for files; the walk closes it. */
  readonly fd?: number;
  readonly stats?: Stats;
}

const DIRECTORY_MODE = 0o555;
const SYMLINK_MODE = 0o777;
const WHITEOUT = ".wh.";
const OWNER_EXECUTES = 0o100;

/** A binary string as the bytes of a file name. */
export const fileName = (binary: string): Buffer => Buffer.from(binary, "latin1");

/**
 * A store path that a layer, listing or upload cannot contain; another attempt would fail as well.
 */
export class UnfitError extends Error {
  override name = "UnfitError";
}

/** A store path that changed while it was read. */
export class ChangedError extends Error {
  override name = "ChangedError";

  constructor({ path }: { readonly path: string }, how: string) {
    super(`/${path} changed while it was packed: ${how}`);
  }
}

/**
 * Walks `storePath` (`/nix/store/…`) below the directory `root`; one file is open at a time. Throws
 * an UnfitError for what a layer cannot contain.
 */
export function* walkTree(root: string, storePath: string): Generator<TreeEntry, void, void> {
  const top = Buffer.from(storePath.slice(1)).toString("latin1");
  const base = Buffer.from(root).toString("latin1");
  yield* visit(base, top, kindOf(lstatSync(join(root, storePath))));
}

type Kind = "directory" | "symlink" | "file" | "other";

function kindOf(entry: Stats | Dirent<Buffer>): Kind {
  if (entry.isDirectory()) return "directory";
  if (entry.isSymbolicLink()) return "symlink";
  return entry.isFile() ? "file" : "other";
}

function* visit(base: string, path: string, kind: Kind): Generator<TreeEntry, void, void> {
  const name = fileName(`${base}/${path}`);
  if (kind === "directory") {
    yield { path, type: "directory", mode: DIRECTORY_MODE };
    const children = readdirSync(name, { withFileTypes: true, encoding: "buffer" }).map((entry) => {
      const kind = kindOf(entry);
      const child = entry.name.toString("latin1");
      if (child.startsWith(WHITEOUT))
        throw new UnfitError(
          `/${path}/${child} cannot be in a layer: names that begin with ${WHITEOUT} delete ` +
            `files of the layers below (OCI image spec, layer.md, "Whiteouts")`,
        );
      return { kind, child, order: kind === "directory" ? `${child}/` : child };
    });
    children.sort((a, b) => (a.order < b.order ? -1 : 1));
    for (const { child, kind } of children) yield* visit(base, `${path}/${child}`, kind);
  } else if (kind === "symlink") {
    yield {
      path,
      type: "symlink",
      mode: SYMLINK_MODE,
      linkname: readlinkSync(name, { encoding: "buffer" }).toString("latin1"),
    };
  } else if (kind === "file") {
    yield* visitFile(name, path);
  } else {
    throw new UnfitError(
      `/${path} is neither a file, a directory nor a symlink: no layer can hold it`,
    );
  }
}

function* visitFile(name: Buffer, path: string): Generator<TreeEntry, void, void> {
  const fd = openSync(name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw new ChangedError({ path }, "it is no file any more");
    const mode = (stats.mode & OWNER_EXECUTES) === 0 ? 0o444 : 0o555;
    yield { path, type: "file", mode, fd, stats };
  } finally {
    closeSync(fd);
  }
}

/** Throws a ChangedError when the file, open as `fd`, has changed since the walk came to it. */
export function requireUnchanged(entry: TreeEntry, fd: number): void {
  const before = entry.stats;
  const after = fstatSync(fd);
  if (before?.size !== after.size)
    throw new ChangedError(entry, `its size went from ${before?.size} to ${after.size} bytes`);
  if (before.mtimeMs !== after.mtimeMs || before.ctimeMs !== after.ctimeMs)
    throw new ChangedError(entry, "it was written to");
}
