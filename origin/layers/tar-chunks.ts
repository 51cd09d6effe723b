/**
 * The tar of one store path as a run of bytes, in chunks of a fixed size (the last may be shorter),
 * so that a member's bytes do not depend on how fast anything was read.
 */
import { fstatSync, readSync, type Stats } from "node:fs";
import { tarHeader, tarPadding } from "../../edge/contract/tar.ts";
import { fileName, TreeError, type TreeEntry, walkTree } from "./tree.ts";

/**
 * The tar of `storePath` without end-of-archive. Each chunk lies in a buffer that `take` gave,
 * filled from its start; all buffers must have one size.
 */
export function* tarChunks(
  root: string,
  storePath: string,
  take: () => Buffer,
): Generator<Buffer, void, void> {
  let chunk = take();
  let used = 0;
  for (const entry of walkTree(root, storePath)) {
    const size = entry.stats?.size ?? 0;
    const header = headerOf(entry, size);
    for (let at = 0; at < header.length;) {
      const length = Math.min(header.length - at, chunk.length - used);
      chunk.set(header.subarray(at, at + length), used);
      at += length;
      used += length;
      if (used === chunk.length) {
        yield chunk;
        chunk = take();
        used = 0;
      }
    }
    if (entry.fd === undefined || entry.stats === undefined) continue;
    for (let left = size; left > 0;) {
      const length = readSync(entry.fd, chunk, used, Math.min(left, chunk.length - used), null);
      if (length === 0) throw changed(entry, `it ended ${left} bytes early`);
      left -= length;
      used += length;
      if (used === chunk.length) {
        yield chunk;
        chunk = take();
        used = 0;
      }
    }
    requireSame(entry, entry.stats, fstatSync(entry.fd));
    for (let left = tarPadding(size); left > 0;) {
      const length = Math.min(left, chunk.length - used);
      chunk.fill(0, used, used + length);
      left -= length;
      used += length;
      if (used === chunk.length) {
        yield chunk;
        chunk = take();
        used = 0;
      }
    }
  }
  if (used > 0) yield chunk.subarray(0, used);
}

function headerOf({ path, type, mode, linkname }: TreeEntry, size: number): Uint8Array {
  return tarHeader({
    path: fileName(path),
    type,
    mode,
    size,
    ...(linkname === undefined ? {} : { linkname: fileName(linkname) }),
  });
}

function requireSame(entry: TreeEntry, before: Stats, after: Stats): void {
  if (before.size !== after.size)
    throw changed(entry, `its size went from ${before.size} to ${after.size} bytes`);
  if (before.mtimeMs !== after.mtimeMs || before.ctimeMs !== after.ctimeMs)
    throw changed(entry, "it was written to");
}

const changed = (entry: TreeEntry, how: string): TreeError =>
  new TreeError(`/${entry.path} changed while it was packed: ${how}`);
