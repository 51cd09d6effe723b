/**
 * Small parts: store paths that are too small for a layer of their own, so they are appended to the
 * profile layer.
 *
 * A small part's blob holds one tree after another, each compressed by itself, so that any of them
 * can be skipped: two parts may contain the same store path, and docker refuses a layer that has a
 * path twice.
 *
 *   small parts        git's rest: [pcre2 | gitlib]     curl's rest: [pcre2 | nghttp2]
 *   profile layer      [links, nix/, nix/store/] [pcre2] [gitlib] [nghttp2] [end-of-archive]
 *                      each in brackets is one or more gzip members
 */
import { gunzipSync } from "node:zlib";
import type { ReadRange } from "../contract/listing-reader.ts";
import { InvalidRecord, type Layer } from "../contract/records.ts";

/** A store path as it is appended to a layer. */
export interface SmallTree {
  /** Identifies the bytes: the digest of their blob and their position in it. */
  readonly key: string;
  /** File name below /nix/store. */
  readonly name: string;
  /** gzip members. */
  readonly compressed: Uint8Array;
  readonly tarSize: number;
}

/**
 * The store paths of the parts, each once, in the order of the parts. `read` fetches each part's
 * blob whole, unless the part adds nothing. Throws an InvalidRecord when a part's trees do not
 * match its blob; errors of `read` pass through.
 */
export async function readTrees(parts: readonly Layer[], read: ReadRange): Promise<SmallTree[]> {
  const seen = new Set<string>();
  const wanted = parts.map((part) => {
    let offset = 0;
    const trees = (part.trees ?? []).flatMap(({ name, size, tarSize }) => {
      const start = offset;
      offset += size;
      if (seen.has(name)) return [];
      seen.add(name);
      return [{ name, start, size, tarSize }];
    });
    if (offset !== part.size)
      throw new InvalidRecord(`the trees of part ${part.key} do not match its blob`, {
        layer: part.key,
      });
    return { part, trees };
  });
  const found = await Promise.all(
    wanted.map(async ({ part: { digest, size }, trees }) => {
      if (trees.length === 0) return [];
      const blob = await read(digest, { offset: 0, length: size });
      return trees.map(({ name, start, size, tarSize }) => ({
        key: `${digest} ${start}`,
        name,
        compressed: blob.subarray(start, start + size),
        tarSize,
      }));
    }),
  );
  return found.flat();
}

/**
 * Largest store path in a small part, bytes of tar, since it is inflated whole. The layer plan
 * keeps them below 1 MB.
 */
const MAX_TREE_BYTES = 4 * 2 ** 20;
/** Room that zlib needs beyond the length of the output: a chunk of its own. */
const ZLIB_ROOM = 64 * 2 ** 10;

/** Inflates a tree: inflateTree, or that with a cache in front. */
export type Inflate = (tree: SmallTree) => Uint8Array;

/**
 * The tar of a tree. Throws an InvalidRecord when the members do not hold exactly that.
 *
 * It uses the runtime's zlib, which in workerd takes a third of the time of a DecompressionStream
 * and a quarter of JavaScript's. Unlike compressing, inflating gives the same bytes everywhere.
 */
export function inflateTree({ name, compressed, tarSize }: SmallTree): Uint8Array {
  const wrong = (reason: string, cause?: unknown): InvalidRecord =>
    Object.assign(new InvalidRecord(`the tree of ${name} ${reason}`, { tree: name }), { cause });
  if (tarSize > MAX_TREE_BYTES) throw wrong(`has more than ${MAX_TREE_BYTES} bytes`);
  let tar: Uint8Array;
  try {
    // Stops at the stated size, so that members which inflate to more cannot fill the memory.
    tar = gunzipSync(compressed, { maxOutputLength: tarSize + ZLIB_ROOM });
  } catch (cause) {
    throw wrong(`does not have ${tarSize} bytes`, cause);
  }
  if (tar.length !== tarSize) throw wrong(`does not have ${tarSize} bytes`);
  return tar;
}
