/**
 * The file listing of one package: a blob that says which files and directories its store path
 * contains, so that the edge can link packages into one tree.
 *
 * The edge reads it by byte range, only as deep as packages overlap. So it is one line of JSON for
 * each directory, the deepest first, the root last. Every directory says where its children's lines
 * are, and a trailer ends the blob. An entry is a name (a file), or [name, offset, length] (a
 * directory):
 *
 *   0    ["git.1"]\n                               share/man/man1
 *   10   [["man1",0,9]]\n                          share/man
 *   25   ["git","git-shell"]\n                     bin
 *   45   [["man",10,14]]\n                         share
 *   61   [["bin",25,19],["share",45,15]]\n         the root
 *   93   [1,61,31]\n                               trailer: format, the root's offset and length
 *
 * Lines are sorted by depth, and within a depth the longest come first, so the last few KiB hold
 * the root and the many small directories near it. Lengths are bytes without the newline. Equal
 * directories of one depth share a line.
 */
import { MAX_BLOB_BYTES } from "./records.ts";

export const LISTING_FORMAT = 1;
/** The shortest line: an empty directory. */
const EMPTY = "[]";
/** Longest file name, bytes (Linux, NAME_MAX). */
const MAX_NAME_BYTES = 255;

/** Where a directory's line is in its listing, bytes. */
export interface DirectoryRef {
  readonly offset: number;
  readonly length: number;
}

/**
 * One entry of a directory. A symlink that resolves to a directory within the store counts as that
 * directory, any other symlink as a file.
 */
export interface ListingEntry {
  readonly name: string;
  /** Present for a directory. Two links to one directory may share an array: it is written once. */
  readonly entries?: ListingTree;
}
/**
 * The entries of a directory, in any order, with unique names. No array may contain itself at any
 * depth: a link back to a directory above it is given as a file.
 */
export type ListingTree = readonly ListingEntry[];

/**
 * A directory as the edge reads it: name → its line, or null for a file, in the order of the names.
 */
export type Directory = ReadonlyMap<string, DirectoryRef | null>;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Encodes a listing, deterministically. Throws a TypeError on a name that an image cannot hold, a
 * repeated name, or a directory that contains itself.
 */
export function encodeListing(root: ListingTree): Uint8Array<ArrayBuffer> {
  const lines: Uint8Array[] = [];
  const refs = new Map<ListingTree, DirectoryRef>();
  let offset = 0;
  const write = (line: Uint8Array): DirectoryRef => {
    const ref = { offset, length: line.length };
    lines.push(line);
    offset += line.length + 1;
    return ref;
  };
  for (const trees of byDepth(root).reverse()) {
    // Equal directories of one depth share a line: which came first must not affect the bytes.
    const texts = new Map(trees.map((tree) => [tree, encodeDirectory(tree, refs)]));
    const unique = Array.from(new Set(texts.values()), (text) => ({
      text,
      line: encoder.encode(text),
    }));
    unique.sort((a, b) => b.line.length - a.line.length || (a.text < b.text ? -1 : 1));
    const written = new Map(unique.map(({ text, line }) => [text, write(line)]));
    for (const [tree, text] of texts) refs.set(tree, written.get(text) as DirectoryRef);
  }
  const { offset: start, length } = refs.get(root) as DirectoryRef;
  write(encoder.encode(JSON.stringify([LISTING_FORMAT, start, length])));

  const bytes = new Uint8Array(offset).fill(NEWLINE);
  let at = 0;
  for (const line of lines) {
    bytes.set(line, at);
    at += line.length + 1;
  }
  return bytes;
}

const NEWLINE = 0x0a;

/**
 * Directories by depth. One that is reached by several paths is placed at its deepest, so that a
 * child always comes after its parents.
 */
function byDepth(root: ListingTree): ListingTree[][] {
  const finished: ListingTree[] = [];
  const state = new Map<ListingTree, "open" | "done">();
  // An explicit stack: a tree may be deeper than the call stack.
  const stack: ListingTree[] = [root];
  for (let tree = stack.at(-1); tree !== undefined; tree = stack.at(-1)) {
    if (state.get(tree) === undefined) {
      state.set(tree, "open");
      for (const { entries } of tree) {
        if (entries === undefined || state.get(entries) === "done") continue;
        if (state.get(entries) === "open")
          throw new TypeError("listing: a directory contains itself");
        stack.push(entries);
      }
    } else {
      stack.pop();
      if (state.get(tree) === "open") finished.push(tree);
      state.set(tree, "done");
    }
  }
  const depths = new Map<ListingTree, number>([[root, 0]]);
  const levels: ListingTree[][] = [];
  for (const tree of finished.reverse()) {
    const depth = depths.get(tree) ?? 0;
    (levels[depth] ??= []).push(tree);
    for (const { entries } of tree)
      if (entries) depths.set(entries, Math.max(depth + 1, depths.get(entries) ?? 0));
  }
  return levels;
}

function encodeDirectory(tree: ListingTree, refs: ReadonlyMap<ListingTree, DirectoryRef>): string {
  const sorted = [...tree].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const entries = sorted.map(({ name, entries }, index) => {
    const fault = nameFault(name);
    if (fault) throw new TypeError(`listing: ${JSON.stringify(name)} ${fault}`);
    if (sorted[index - 1]?.name === name)
      throw new TypeError(`listing: ${JSON.stringify(name)} occurs twice in one directory`);
    const ref = entries && refs.get(entries);
    return ref ? [name, ref.offset, ref.length] : name;
  });
  return JSON.stringify(entries);
}

/** Why a file cannot have this name in an image, or null. */
function nameFault(name: string): string | null {
  if (name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0"))
    return "is not a file name";
  if (!name.isWellFormed()) return "is not valid Unicode";
  // Any UTF-16 unit is at most three bytes of UTF-8.
  if (name.length * 3 > MAX_NAME_BYTES && encoder.encode(name).length > MAX_NAME_BYTES)
    return `is longer than ${MAX_NAME_BYTES} bytes`;
  if (name.startsWith(".wh."))
    return (
      "would delete another file: layers mean that by names with .wh. in front " +
      '(OCI image spec, layer.md, "Whiteouts")'
    );
  return null;
}

/**
 * Where the root is, from the last bytes of a listing. `end`: the offset just after them, which is
 * the listing's size. Throws a TypeError when malformed.
 */
export function decodeTrailer(tail: Uint8Array, end: number): DirectoryRef {
  const start = tail.subarray(0, -1).lastIndexOf(NEWLINE) + 1;
  const trailer: unknown = parse(tail.subarray(start));
  const [format, offset, length] = Array.isArray(trailer) && trailer.length === 3 ? trailer : [];
  if (format !== LISTING_FORMAT) throw new TypeError("listing: no trailer of a known format");
  return checkedRef(offset, length, end - (tail.length - start));
}

/**
 * The entries in a directory's line at `ref`. Everything is checked, since an origin may be wrong
 * or malicious. Throws a TypeError when malformed.
 */
export function decodeDirectory(line: Uint8Array, ref: DirectoryRef): Directory {
  const entries: unknown = parse(line);
  if (line.length !== ref.length || !Array.isArray(entries))
    throw new TypeError("listing: a directory is not where it should be");
  const directory = new Map<string, DirectoryRef | null>();
  let last = "";
  for (const entry of entries) {
    const [name, offset, length] = Array.isArray(entry) && entry.length === 3 ? entry : [entry];
    if (typeof name !== "string")
      throw new TypeError("listing: an entry is neither a file nor a directory");
    const fault = nameFault(name);
    if (fault)
      throw new TypeError(`listing: ${JSON.stringify(name.slice(0, MAX_NAME_BYTES))} ${fault}`);
    if (name <= last) throw new TypeError(`listing: ${JSON.stringify(name)} is out of order`);
    last = name;
    directory.set(name, name === entry ? null : checkedRef(offset, length, ref.offset));
  }
  return directory;
}

/**
 * A line that ends before `end`: children come before their parents, so no directory contains
 * itself.
 */
function checkedRef(offset: unknown, length: unknown, end: number): DirectoryRef {
  if (
    !isWhole(offset) ||
    !isWhole(length) ||
    length < EMPTY.length ||
    offset + length >= end ||
    end > MAX_BLOB_BYTES
  )
    throw new TypeError("listing: a directory lies outside the listing");
  return { offset, length };
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch {
    throw new TypeError("listing: a line is not JSON");
  }
}
