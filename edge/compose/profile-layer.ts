/**
 * Packs the profile into a layer: its links, compressed here, and the trees of small parts, which an
 * origin compressed. The same profile is the same bytes everywhere and at any time.
 */
import { createHash } from "node:crypto";
import { type Digest, digestOf } from "../contract/digest.ts";
import { gzipLinks } from "./gzip-links.ts";
import { ImageBudget, imageTooLarge } from "../contract/image-budget.ts";
import { bytesOf, type ProfileEntry } from "./profile.ts";
import { type Inflate, inflateTree, type SmallTree } from "./small-parts.ts";
import { tarEnd, tarHeader, tarPadding } from "../contract/tar.ts";

export interface ProfileLayer {
  /** gzip. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly digest: Digest;
  /** Digest of the uncompressed tar. */
  readonly diffId: Digest;
}

const END = gzipLinks(tarEnd);
/**
 * Largest profile layer, bytes of tar: about 20,000 links with long targets. It is compressed and
 * hashed piece by piece; the limit is for clients, which unpack it with every image.
 */
const MAX_TAR_BYTES = 32 * 2 ** 20;
/**
 * The links are compressed in members of this many bytes of tar (the last may be shorter), so that
 * their tar, up to MAX_TAR_BYTES, is never in memory as a whole. Part of the format.
 */
const MEMBER_BYTES = 2 ** 18;
/**
 * Largest profile layer, bytes: it is in memory twice, in members and as a whole. Three times what
 * the small parts of an image have on average.
 */
const MAX_LAYER_BYTES = 5 * 2 ** 20;
/** Memory for compressing one member, bytes: its tar, the compressor's tables and the output. */
const PACKING_BYTES = 2 ** 20;

/**
 * Packs the profile and, after it, the trees of small parts: gzip members that an origin
 * compressed. They are inflated, one at a time, only to compute the diffId; `inflate` may cache
 * that. Throws imageTooLarge.
 */
export async function packProfile(
  entries: readonly ProfileEntry[],
  trees: readonly SmallTree[] = [],
  inflate: Inflate = inflateTree,
): Promise<ProfileLayer> {
  const treesSize = trees.reduce((sum, { tarSize }) => sum + tarSize, 0);
  const treeBytes = trees.reduce((sum, { compressed }) => sum + compressed.length, 0);
  const links = entries.reduce((sum, entry) => sum + bytesOf(entry), 0);
  // Inflating a tree briefly takes twice its size.
  const largest = Math.max(0, ...trees.map(({ tarSize }) => tarSize));
  const budget = new ImageBudget(links + Math.max(PACKING_BYTES, 2 * largest) + 2 * treeBytes);
  const tar = createHash("sha256");
  const members: Uint8Array[] = [];
  for (const part of linksTar(entries, trees.length > 0, MAX_TAR_BYTES - treesSize)) {
    tar.update(part);
    const member = gzipLinks(part);
    budget.take(2 * member.length);
    members.push(member);
  }
  for (const tree of trees) {
    tar.update(inflate(tree));
    members.push(tree.compressed);
  }
  tar.update(tarEnd);
  members.push(END);
  const bytes = concat(members);
  if (bytes.length > MAX_LAYER_BYTES) throw imageTooLarge();
  return { bytes, digest: await digestOf(bytes), diffId: `sha256:${tar.digest("hex")}` };
}

/** Parents of the trees. Every layer with store paths has them, with the same modes. */
const STORE_DIRECTORIES = ["nix", "nix/store"].map((path) =>
  tarHeader({ path, type: "directory", mode: 0o555 }),
);

/**
 * The tar of the links without end-of-archive, in pieces of MEMBER_BYTES. A piece is valid until
 * the next one is requested. Throws imageTooLarge above `limit` bytes.
 */
function* linksTar(
  entries: readonly ProfileEntry[],
  withStore: boolean,
  limit: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const piece = new Uint8Array(MEMBER_BYTES);
  let filled = 0;
  let size = 0;
  for (const chunk of linksChunks(entries, withStore)) {
    size += chunk.length;
    if (size > limit) throw imageTooLarge();
    let rest = chunk;
    while (filled + rest.length >= MEMBER_BYTES) {
      piece.set(rest.subarray(0, MEMBER_BYTES - filled), filled);
      rest = rest.subarray(MEMBER_BYTES - filled);
      filled = 0;
      yield piece;
    }
    piece.set(rest, filled);
    filled += rest.length;
  }
  if (filled > 0) yield piece.subarray(0, filled);
}

function* linksChunks(entries: readonly ProfileEntry[], withStore: boolean): Generator<Uint8Array> {
  if (withStore) yield* STORE_DIRECTORIES;
  for (const entry of entries) yield* tarMember(entry);
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

/** Header, contents and padding of one tar entry. */
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
