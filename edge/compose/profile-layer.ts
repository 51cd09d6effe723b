/**
 * Packs the profile into a layer. Compressed by fflate everywhere (its own JavaScript, in workerd
 * as in Node), never by a runtime's zlib: the same profile must be the same bytes at every location
 * and at any time. The trees of small parts come compressed by an origin.
 */
import { gzipSync } from "fflate";
import { type Digest, digestOf } from "../contract/digest.ts";
import { MAX_PROFILE_BYTES, type ProfileEntry, profileTooLarge } from "./profile.ts";
import { inflateTree, type SmallTree } from "./small-parts.ts";
import { tarEnd, tarHeader, tarPadding } from "../contract/tar.ts";

export interface ProfileLayer {
  /** gzip. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
  /** Digest of the tar within. */
  readonly diffId: Digest;
}

/**
 * `mtime` 0 leaves the time out; `mem` is fixed because fflate would otherwise derive it from the
 * length by a logarithm. Every option is part of the format: changing one changes every image.
 */
const GZIP = { level: 6, mem: 8, mtime: 0 } as const;

/**
 * The profile, and after it the trees of small parts: gzip members that were compressed elsewhere,
 * which are inflated to take the diffId. Throws profileTooLarge.
 */
export async function packProfile(
  entries: readonly ProfileEntry[],
  trees: readonly SmallTree[] = [],
): Promise<ProfileLayer> {
  const head = tarOf(entries, trees.length > 0);
  const size = trees.reduce((sum, { tarSize }) => sum + tarSize, head.length + tarEnd.length);
  if (size > MAX_PROFILE_BYTES) throw profileTooLarge();
  const tar = new Uint8Array(size);
  tar.set(head);
  let at = head.length;
  const targets = trees.map(({ tarSize }) => tar.subarray(at, (at += tarSize)));
  await Promise.all(trees.map((tree, index) => inflateTree(tree, targets[index] as Uint8Array)));
  const bytes = concat([
    gzipSync(head, GZIP),
    ...trees.map(({ compressed }) => compressed),
    gzipSync(tarEnd, GZIP),
  ]);
  const [digest, diffId] = await Promise.all([digestOf(bytes), digestOf(tar)]);
  return { bytes, digest, diffId };
}

/** Parents of the trees; every layer that holds store paths has them, with the same modes. */
const STORE_DIRECTORIES = ["nix", "nix/store"].map((path) =>
  tarHeader({ path, type: "directory", mode: 0o555 }),
);

/** The profile without end-of-archive. Throws profileTooLarge. */
function tarOf(entries: readonly ProfileEntry[], withStore: boolean): Uint8Array<ArrayBuffer> {
  const chunks: Uint8Array[] = withStore ? [...STORE_DIRECTORIES] : [];
  let size = 0;
  for (const entry of entries) {
    for (const chunk of tarMember(entry)) {
      chunks.push(chunk);
      size += chunk.length;
    }
    // Before the rest is made: all of it is in the Worker's memory.
    if (size > MAX_PROFILE_BYTES) throw profileTooLarge();
  }
  return concat(chunks);
}

function concat(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

const encoder = new TextEncoder();

/** Header, contents and padding of one entry. */
function tarMember(entry: ProfileEntry): Uint8Array[] {
  const { path, type } = entry;
  switch (type) {
    case "directory":
      return [tarHeader({ path, type, mode: entry.mode })];
    case "symlink":
      return [tarHeader({ path, type, mode: 0o777, linkname: entry.target })];
    case "file": {
      const contents = encoder.encode(entry.contents);
      const header = tarHeader({ path, type, mode: 0o644, size: contents.length });
      return [header, contents, new Uint8Array(tarPadding(contents.length))];
    }
  }
}
