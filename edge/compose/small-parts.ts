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
import { Gunzip } from "fflate";
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

/**
 * Inflates a tree into `target`, which has its size. Throws an InvalidRecord on any other bytes.
 *
 * The runtime inflates, which is three times as fast in workerd as JavaScript is; inflating, unlike
 * compressing, gives the same bytes everywhere. A stream takes one member only, and of more than one
 * nothing tells where they end: those are rare, and left to fflate.
 */
export async function inflateTree(
  { name, compressed }: SmallTree,
  target: Uint8Array,
): Promise<void> {
  let size = 0;
  // No further than the target goes: what lies must not fill the memory.
  const add = (chunk: Uint8Array): void => {
    if (size + chunk.length <= target.length) target.set(chunk, size);
    size += chunk.length;
  };
  if (isOneMember(compressed, target.length)) {
    await inflate(compressed, target.length, add).catch(() => (size = -1));
  } else {
    new Gunzip(add).push(compressed, true);
  }
  if (size !== target.length)
    throw new InvalidRecord(`the tree of ${name} does not have ${target.length} bytes`);
}

/** The last four bytes of a member are its length (RFC 1952, ISIZE): one has all of the tree. */
function isOneMember(compressed: Uint8Array, size: number): boolean {
  const view = new DataView(compressed.buffer, compressed.byteOffset, compressed.byteLength);
  return compressed.length >= 18 && view.getUint32(compressed.length - 4, true) === size;
}

/** Hands over what one member holds, chunk by chunk. Throws when it is no gzip, or above `limit`. */
async function inflate(
  compressed: Uint8Array,
  limit: number,
  add: (chunk: Uint8Array) => void,
): Promise<void> {
  const { readable, writable } = new DecompressionStream("gzip");
  const writer = writable.getWriter();
  const written = Promise.all([writer.write(compressed), writer.close()]);
  written.catch(() => {});
  let size = 0;
  for await (const chunk of readable as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limit) throw new RangeError(`more than ${limit} bytes`);
    add(chunk);
  }
  await written;
}
