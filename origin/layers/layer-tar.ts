/**
 * The tar of a layer, read piece by piece. Its bytes do not depend on the sizes of the pieces.
 *
 *   nix/   nix/store/   tree of the first store path   …   tree of the last   end-of-archive
 *
 * The parent directories stand once, in front, since Docker refuses a layer with the same path
 * twice. A file that is equal to an earlier one of the layer is a hard link to it.
 */
import { readSync } from "node:fs";
import { tarEnd, tarHeader, tarPadding, type TarType } from "../../edge/contract/tar.ts";
import { EqualFiles } from "./equal-files.ts";
import { ChangedError, fileName, requireUnchanged, type TreeEntry, walkTree } from "./tree.ts";

const DIRECTORIES = Buffer.concat(
  ["nix", "nix/store"].map((path) => tarHeader({ path, type: "directory", mode: 0o555 })),
);
const ZEROS = new Uint8Array(512);

export interface LayerTarOptions {
  /** Directory that contains /nix/store. */
  readonly root: string;
  /** In any order; the tar has them sorted. */
  readonly storePaths: readonly string[];
  /** Whether to leave out parent directories and end-of-archive, for use inside another tar. */
  readonly bare: boolean;
}

/** Successive bytes of the tar. */
interface Run {
  readonly length: number;
  /** Copies bytes from offset `from` into `target`, which is not longer; returns how many. */
  read(target: Buffer, from: number): number;
}

/** The tar of one layer. */
export class LayerTar {
  readonly #runs: Generator<Run, void, void>;
  #run: Run | undefined;
  #at = 0;

  constructor(options: LayerTarOptions) {
    this.#runs = runsOf(options);
  }

  /**
   * Fills `target` with the next bytes; returns how many, which are fewer than fit only at the end.
   * Throws a ChangedError when a file is changed meanwhile, an UnfitError for what a layer cannot
   * contain.
   */
  fill(target: Buffer): number {
    let used = 0;
    while (used < target.length) {
      if (this.#run === undefined || this.#at === this.#run.length) {
        const next = this.#runs.next();
        if (next.done === true) break;
        this.#run = next.value;
        this.#at = 0;
        continue;
      }
      const room = Math.min(this.#run.length - this.#at, target.length - used);
      const read = this.#run.read(target.subarray(used, used + room), this.#at);
      this.#at += read;
      used += read;
    }
    return used;
  }

  /** Ends the tar, and closes the open file. */
  close(): void {
    this.#run = undefined;
    this.#runs.return();
  }
}

function* runsOf({ root, storePaths, bare }: LayerTarOptions): Generator<Run, void, void> {
  if (!bare) yield bytesRun(DIRECTORIES);
  const files = new EqualFiles(root);
  for (const path of storePaths.toSorted()) {
    for (const entry of walkTree(root, path)) {
      const equal = files.before(entry);
      if (equal !== undefined) {
        yield bytesRun(headerOf({ ...entry, type: "hardlink", linkname: equal }, 0));
        continue;
      }
      const size = entry.stats?.size ?? 0;
      yield bytesRun(headerOf(entry, size));
      if (entry.fd === undefined || size === 0) continue;
      yield fileRun(entry, entry.fd, size);
      requireUnchanged(entry, entry.fd);
      yield bytesRun(ZEROS.subarray(0, tarPadding(size)));
    }
  }
  if (!bare) yield bytesRun(tarEnd);
}

function bytesRun(bytes: Uint8Array): Run {
  return {
    length: bytes.length,
    read(target, from) {
      target.set(bytes.subarray(from, from + target.length));
      return target.length;
    },
  };
}

function fileRun(entry: TreeEntry, fd: number, size: number): Run {
  return {
    length: size,
    read(target, from) {
      const read = readSync(fd, target, 0, target.length, from);
      if (read === 0) throw new ChangedError(entry, `it ended ${size - from} bytes early`);
      return read;
    },
  };
}

function headerOf(
  { path, type, mode, linkname }: Omit<TreeEntry, "type"> & { readonly type: TarType },
  size: number,
): Uint8Array {
  return tarHeader({
    path: fileName(path),
    type,
    mode,
    size,
    ...(linkname === undefined ? {} : { linkname: fileName(linkname) }),
  });
}
