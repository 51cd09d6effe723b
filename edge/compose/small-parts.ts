/**
 * The store paths that are too small for a layer, and so are appended to the profile layer.
 *
 * A small part's blob holds one tree after another, each compressed for itself, so that any of them
 * can be left out: two parts may hold the same store path, and docker refuses a layer that holds a
 * path twice.
 *
 *   small parts        git's rest: [pcre2 | gitlib]     curl's rest: [pcre2 | nghttp2]
 *   profile layer      [links, nix/, nix/store/] [pcre2] [gitlib] [nghttp2] [end-of-archive]      each a gzip member or more
 */
import { Gunzip, gunzipSync } from "fflate";
import { digestOf } from "../contract/digest.ts";
import type { ReadRange } from "../contract/listing-reader.ts";
import { InvalidRecord, type Layer } from "../contract/records.ts";

/** One store path as it is appended to a layer. */
export interface SmallTree {
  /** File name below /nix/store. */
  readonly name: string;
  /** gzip members. */
  readonly compressed: Uint8Array;
  readonly tarSize: number;
}

/**
 * Every store path of the parts, once, in the parts' order. `read` fetches each part's blob whole,
 * but for a part that adds nothing. Throws an InvalidRecord when a blob is not what the part says;
 * what `read` throws passes through.
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
    wanted.map(async ({ part: { key, digest, size }, trees }) => {
      if (trees.length === 0) return [];
      const blob = (await read(digest, { offset: 0, length: size })) as Uint8Array<ArrayBuffer>;
      if ((await digestOf(blob)) !== digest)
        throw new InvalidRecord(`the blob of part ${key} is damaged`, { layer: key, digest });
      return trees.map(({ name, start, size, tarSize }) => ({
        name,
        compressed: blob.subarray(start, start + size),
        tarSize,
      }));
    }),
  );
  return found.flat();
}

/** Inflates a tree into `target`, which has its size. Throws an InvalidRecord on any other bytes. */
export function inflateTree({ name, compressed }: SmallTree, target: Uint8Array): void {
  let at = 0;
  const wrong = (): InvalidRecord =>
    new InvalidRecord(`the tree of ${name} does not have ${target.length} bytes`);
  // The last four bytes of a member are its length (RFC 1952, ISIZE): one that has all of the tree is
  // inflated in place; more than one are rare, and take memory besides.
  const view = new DataView(compressed.buffer, compressed.byteOffset, compressed.byteLength);
  if (compressed.length >= 18 && view.getUint32(compressed.length - 4, true) === target.length) {
    if (gunzipSync(compressed, { out: target }).length !== target.length) throw wrong();
    return;
  }
  const gunzip = new Gunzip((chunk) => {
    if (at + chunk.length > target.length) throw wrong();
    target.set(chunk, at);
    at += chunk.length;
  });
  gunzip.push(compressed, true);
  if (at !== target.length) throw wrong();
}
