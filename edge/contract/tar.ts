/**
 * Deterministic tar headers: POSIX ustar (IEEE 1003.1, pax, "ustar Interchange Format"), preceded
 * by a pax extended header for an entry that ustar cannot hold: a path that does not split into 155
 * + 100 bytes, a link name above 100 bytes, a file of 8 GiB or more, and any name that is not
 * ASCII. The owner is always 0/0 without names, so the same tree gives the same bytes on every
 * machine. Pure; the origin's layers and the edge's profile layer both use it.
 *
 *   [pax header, its records, padding]  header  contents  padding   …   tarEnd
 */

/** `hardlink`: another name of a file that comes earlier in the same archive. */
export type TarType = "file" | "directory" | "symlink" | "hardlink";

export interface TarEntry {
  /**
   * Relative, without leading `./` or `/`. Bytes, because a name need not be UTF-8. A directory's
   * trailing `/` is added.
   */
  readonly path: string | Uint8Array;
  readonly type: TarType;
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number;
  /** Bytes of contents that follow the header; only for files. */
  readonly size?: number;
  /** Target of a symlink, unchanged; for a hard link, the path of its file's entry. */
  readonly linkname?: string | Uint8Array;
  /** Seconds since 1970; default MTIME. */
  readonly mtime?: number;
}

export const TAR_BLOCK = 512;
/**
 * Modification time of everything, seconds: that of the Nix store, 1 rather than 0 because some
 * tools take 0 for "unknown".
 */
const MTIME = 1;
/** Two blocks of zeros end an archive. */
export const tarEnd: Uint8Array<ArrayBuffer> = new Uint8Array(2 * TAR_BLOCK);

const NAME = { offset: 0, length: 100 };
const LINK = { offset: 157, length: 100 };
const PREFIX = { offset: 345, length: 155 };
/** First size that does not fit eleven octal digits: 8 GiB. */
const OCTAL_LIMIT = 8 ** 11;
const SLASH = 0x2f;
const DOT = 0x2e;
const TYPE_FLAGS: Record<TarType | "pax", number> = {
  file: 0x30,
  hardlink: 0x31,
  symlink: 0x32,
  directory: 0x35,
  pax: 0x78,
};
/** Name of every pax header; a reader that does not know pax unpacks it as a file of this name. */
const PAX_NAME = "PaxHeader";

const encoder = new TextEncoder();
const toBytes = (text: string | Uint8Array): Uint8Array =>
  typeof text === "string" ? encoder.encode(text) : text;

/** Number of zero bytes after `size` bytes of contents, up to the next block. */
export function tarPadding(size: number): number {
  return (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
}

/**
 * All header blocks of one entry. Throws a TypeError on a path or target that an archive should not
 * contain (empty, absolute, with NUL or `..`).
 */
export function tarHeader(entry: TarEntry): Uint8Array<ArrayBuffer> {
  const path = checkedPath(entry);
  const link = toBytes(entry.linkname ?? "");
  if (link.includes(0)) throw new TypeError("tar: a link name contains a NUL byte");
  const size = entry.type === "file" ? (entry.size ?? 0) : 0;
  if (!Number.isSafeInteger(size) || size < 0)
    throw new TypeError(`tar: ${size} is not a valid size`);

  const split = isAscii(path) ? splitPath(path) : undefined;
  const records: Uint8Array[] = [];
  if (link.length > LINK.length || !isAscii(link)) records.push(paxRecord("linkpath", link));
  if (split === undefined) records.push(paxRecord("path", path));
  if (size >= OCTAL_LIMIT) records.push(paxRecord("size", encoder.encode(String(size))));

  const { prefix, name } = split ?? {
    prefix: new Uint8Array(),
    name: path.subarray(0, NAME.length),
  };
  const fields = {
    prefix,
    name,
    link: link.subarray(0, LINK.length),
    mode: entry.mode,
    size: size < OCTAL_LIMIT ? size : 0,
    mtime: entry.mtime ?? MTIME,
  };
  if (records.length === 0)
    return writeBlock(new Uint8Array(TAR_BLOCK), 0, TYPE_FLAGS[entry.type], fields);

  const length = records.reduce((sum, record) => sum + record.length, 0);
  const padded = length + tarPadding(length);
  const blocks = new Uint8Array(2 * TAR_BLOCK + padded);
  const pax = {
    prefix: new Uint8Array(),
    name: encoder.encode(PAX_NAME),
    link: new Uint8Array(),
    mode: 0o444,
    size: length,
    mtime: fields.mtime,
  };
  writeBlock(blocks, 0, TYPE_FLAGS.pax, pax);
  let at = TAR_BLOCK;
  for (const record of records) {
    blocks.set(record, at);
    at += record.length;
  }
  return writeBlock(blocks, TAR_BLOCK + padded, TYPE_FLAGS[entry.type], fields);
}

function checkedPath({ path: given, type }: TarEntry): Uint8Array {
  const path = toBytes(given);
  const fault = pathFault(path);
  if (fault !== undefined) throw new TypeError(`tar: "${new TextDecoder().decode(path)}" ${fault}`);
  if (type !== "directory" || path.at(-1) === SLASH) return path;
  const withSlash = new Uint8Array(path.length + 1);
  withSlash.set(path);
  withSlash[path.length] = SLASH;
  return withSlash;
}

/** Looks at each byte once: a store path may have 200,000 files. */
function pathFault(path: Uint8Array): string | undefined {
  if (path.length === 0 || path[0] === SLASH) return "is not a relative path";
  let start = 0;
  for (let at = 0; at <= path.length; at++) {
    if (path[at] === 0) return "contains a NUL byte";
    if (at < path.length && path[at] !== SLASH) continue;
    if (at - start === 2 && path[start] === DOT && path[start + 1] === DOT)
      return "leads out of the archive";
    start = at + 1;
  }
  return undefined;
}

/**
 * Prefix and name of a ustar path: split at the last slash that leaves at most 155 bytes before it
 * and 1 to 100 after it.
 */
function splitPath(path: Uint8Array): { prefix: Uint8Array; name: Uint8Array } | undefined {
  if (path.length <= NAME.length) return { prefix: new Uint8Array(), name: path };
  const slash = path.lastIndexOf(SLASH, Math.min(PREFIX.length, path.length - 2));
  if (slash <= 0 || path.length - slash - 1 > NAME.length) return undefined;
  return { prefix: path.subarray(0, slash), name: path.subarray(slash + 1) };
}

interface Fields {
  readonly prefix: Uint8Array;
  readonly name: Uint8Array;
  readonly link: Uint8Array;
  readonly mode: number;
  readonly size: number;
  readonly mtime: number;
}

function writeBlock(
  target: Uint8Array<ArrayBuffer>,
  start: number,
  typeFlag: number,
  fields: Fields,
): Uint8Array<ArrayBuffer> {
  const block = target.subarray(start, start + TAR_BLOCK);
  block.set(fields.name, NAME.offset);
  writeOctal(block, 100, 7, fields.mode);
  writeOctal(block, 108, 7, 0);
  writeOctal(block, 116, 7, 0);
  writeOctal(block, 124, 11, fields.size);
  writeOctal(block, 136, 11, fields.mtime);
  block[156] = typeFlag;
  block.set(fields.link, LINK.offset);
  block.set(MAGIC, 257);
  block.set(fields.prefix, PREFIX.offset);
  // The checksum counts its own field as eight spaces; it is six digits, NUL, space.
  block.fill(0x20, 148, 156);
  let sum = 0;
  for (let at = 0; at < TAR_BLOCK; at++) sum += block[at] as number;
  writeOctal(block, 148, 6, sum);
  block[154] = 0;
  return target;
}

const MAGIC = encoder.encode("ustar\u000000");

/** Octal digits, zero-padded; the byte after them stays NUL. */
function writeOctal(block: Uint8Array, offset: number, digits: number, value: number): void {
  let rest = value;
  for (let at = offset + digits - 1; at >= offset; at--) {
    block[at] = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
  }
  if (rest !== 0) throw new TypeError(`tar: ${value} does not fit ${digits} octal digits`);
}

/** `<length> <key>=<value>\n`, where the length counts its own digits. */
function paxRecord(key: string, value: Uint8Array): Uint8Array {
  const rest = encoder.encode(` ${key}=`);
  const bare = rest.length + value.length + 1;
  let length = bare + String(bare).length;
  if (String(length).length + bare !== length) length = bare + String(length).length;
  const record = new Uint8Array(length);
  record.set(encoder.encode(String(length)));
  record.set(rest, length - bare);
  record.set(value, length - value.length - 1);
  record[length - 1] = 0x0a;
  return record;
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if ((bytes[at] as number) >= 0x80) return false;
  return true;
}
