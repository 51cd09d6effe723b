/**
 * The tar of a layer, read into buffers of any size: the same bytes in the same order however they
 * are read.
 *
 *   nix/   nix/store/   tree of the first store path   …   tree of the last   end-of-archive
 *
 * The parent directories stand once, in front: Docker refuses a layer that holds a path twice. A
 * file that is equal to an earlier one of the layer is a hard link to it.
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
  /**
   * Only the trees, without parent directories and end-of-archive: to stand inside another tar.
   */
  readonly bare: boolean;
}

/** A run of the tar's bytes. */
interface Run {
  readonly length: number;
  /** Writes its bytes from `from` on to `target`, which is not longer; returns how many. */
  read(target: Buffer, from: number): number;
}

export class LayerTar {
  readonly #runs: Generator<Run, void, void>;
  #run: Run | undefined;
  #at = 0;

  constructor(options: LayerTarOptions) {
    this.#runs = runsOf(options);
  }

  /**
   * Fills `target` with what comes next; returns how many bytes: fewer than it has room for only at
   * the end. Throws ChangedError when a file changes meanwhile, UnfitError on what no layer can
   * hold.
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

  /** Closes what is open; the tar ends here. */
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
