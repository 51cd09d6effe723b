/**
 * The store paths that are too small for a layer, and so are appended to the profile layer.
 *
 * A small part's blob holds one tree after another, each compressed for itself, so that any of them
 * can be left out: two parts may hold the same store path, and docker refuses a layer that holds a
 * path twice.
 *
 *   small parts        git's rest: [pcre2 | gitlib]     curl's rest: [pcre2 | nghttp2]
 *   profile layer      [links, nix/, nix/store/] [pcre2] [gitlib] [nghttp2] [end-of-archive]
 *                      each in brackets is one or more gzip members
 */
import { gunzipSync } from "node:zlib";
import type { ReadRange } from "../contract/listing-reader.ts";
import { InvalidRecord, type Layer } from "../contract/records.ts";

/** One store path as it is appended to a layer. */
export interface SmallTree {
  /** Names these bytes: the digest of their blob and where they stand in it. */
  readonly key: string;
  /** File name below /nix/store. */
  readonly name: string;
  /** gzip members. */
  readonly compressed: Uint8Array;
  readonly tarSize: number;
}

/**
 * Every store path of the parts, once, in the parts' order. `read` fetches each part's blob whole,
 * but for a part that adds nothing. Throws an InvalidRecord when the part is not its blob; what
 * `read` throws passes through.
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
      throw new InvalidRecord(`the trees of part ${part.key} are not its blob`, {
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
 * Largest store path of a small part, bytes of tar: it is inflated whole. The plan's are below 1
 * MB.
 */
const MAX_TREE_BYTES = 4 * 2 ** 20;
/** Room that zlib wants above the length of what it inflates: a chunk of its own. */
const ZLIB_ROOM = 64 * 2 ** 10;

/** How a tree is inflated: inflateTree, or that with a memory in front. */
export type Inflate = (tree: SmallTree) => Uint8Array;

/**
 * The tar of a tree. Throws an InvalidRecord when the members do not hold exactly that.
 *
 * By the runtime's zlib, which takes a third of the time of a DecompressionStream in workerd and a
 * quarter of JavaScript's; inflating, unlike compressing, gives the same bytes everywhere.
 */
export function inflateTree({ name, compressed, tarSize }: SmallTree): Uint8Array {
  const wrong = (reason: string, cause?: unknown): InvalidRecord =>
    Object.assign(new InvalidRecord(`the tree of ${name} ${reason}`, { tree: name }), { cause });
  if (tarSize > MAX_TREE_BYTES) throw wrong(`has more than ${MAX_TREE_BYTES} bytes`);
  let tar: Uint8Array;
  try {
    // No further than that: what lies must not fill the memory.
    tar = gunzipSync(compressed, { maxOutputLength: tarSize + ZLIB_ROOM });
  } catch (cause) {
    throw wrong(`does not have ${tarSize} bytes`, cause);
  }
  if (tar.length !== tarSize) throw wrong(`does not have ${tarSize} bytes`);
  return tar;
}
