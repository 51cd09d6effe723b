/**
 * Puts a layer together from the members of its store paths, and takes its digests.
 *
 *   leading member (nix/, nix/store/)   member of the first path   …   member of the last   end-of-archive
 *
 * The parent directories stand once, in front: Docker refuses a layer that holds a path twice. The
 * tar is not inflated again: it is read from the store as the member once was, hashed, and its
 * CRC-32 compared with the member's, so that a member which is not this tar is found. The payload
 * is checked by its own hash. What is wrong is made again. The layer lands in a spool file without
 * a name: it cannot be left behind, and no other process can take a member away below it.
 */
import { createHash, type Hash, randomUUID } from "node:crypto";
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { Digest } from "../../edge/contract/digest.ts";
import { tarEnd, tarHeader } from "../../edge/contract/tar.ts";
import { type CancelFlag, requireWanted } from "./cancel.ts";
import { CODECS, type CodecName, compressWhole } from "./codecs.ts";
import { makeMember, type MemberWanted } from "./member.ts";
import { openMember, type OpenMember } from "./member-file.ts";
import { tarChunks } from "./tar-chunks.ts";
import { TreeError } from "./tree.ts";

export interface LayerWanted {
  readonly codecs: readonly CodecName[];
  /** In the order of their paths. */
  readonly members: readonly MemberWanted[];
  readonly spoolDir: string;
}

export interface SpooledBlob {
  readonly digest: Digest;
  readonly size: number;
  /** The whole blob; the taker closes it. */
  readonly fd: number;
}

export interface AssembledLayer {
  readonly diffId: Digest;
  readonly blobs: Partial<Record<CodecName, SpooledBlob>>;
  /** Bytes of members that had to be made, or made again. */
  readonly madeBytes: number;
}

const DIRECTORIES = Buffer.concat(
  ["nix", "nix/store"].map((path) => tarHeader({ path, type: "directory", mode: 0o555 })),
);
const BUFFER_BYTES = 2 ** 20;
/**
 * A member that is wrong is made once more; wrong again means that the store path changes, or the
 * disk lies.
 */
const ATTEMPTS = 3;

const digestOf = (hash: Hash): Digest => `sha256:${hash.digest("hex")}`;

export async function assembleLayer(
  wanted: LayerWanted,
  cancel: CancelFlag,
): Promise<AssembledLayer> {
  const buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  const spools: Spool[] = [];
  let diff = createHash("sha256");
  let madeBytes = 0;
  try {
    for (const name of wanted.codecs) {
      const spool = new Spool(name, wanted.spoolDir);
      spools.push(spool);
      spool.append(await compressWhole(CODECS[name], DIRECTORIES));
    }
    diff.update(DIRECTORIES);
    for (const member of wanted.members) {
      for (let attempt = 1; ; attempt++) {
        const undo = [diff.copy(), ...spools.map((spool) => spool.mark())] as const;
        const opened: OpenMember[] = [];
        try {
          const made = await openAll(member, wanted.codecs, opened, cancel);
          madeBytes += made;
          const wrong = appendMember(member, opened, spools, diff, buffer, cancel);
          if (wrong === undefined) break;
          if (attempt === ATTEMPTS)
            throw new TreeError(`${member.storePath}: ${wrong}, after ${ATTEMPTS} attempts`);
        } finally {
          for (const { fd } of opened) closeSync(fd);
        }
        const [hash, ...marks] = undo;
        diff = hash;
        marks.forEach((mark, index) => spools[index]?.rewind(mark));
        for (const name of wanted.codecs) rmSync(member.files[name] as string, { force: true });
      }
    }
    for (const spool of spools)
      spool.append(await compressWhole(CODECS[spool.name], Buffer.from(tarEnd)));
    diff.update(tarEnd);
    return {
      diffId: digestOf(diff),
      madeBytes,
      blobs: Object.fromEntries(spools.map((spool) => [spool.name, spool.finish()])),
    };
  } catch (error) {
    for (const spool of spools) closeSync(spool.fd);
    throw error;
  }
}

/**
 * Opens the member's files into `opened`, in the order of `codecs`; makes those that are missing.
 * Returns the bytes made.
 */
async function openAll(
  member: MemberWanted,
  codecs: readonly CodecName[],
  opened: OpenMember[],
  cancel: CancelFlag,
): Promise<number> {
  const found = codecs.map((name) => openMember(member.files[name] as string));
  const missing = codecs.filter((_, index) => found[index] === undefined);
  opened.push(...found.filter((file) => file !== undefined));
  if (missing.length === 0) return 0;
  const files = Object.fromEntries(missing.map((name) => [name, member.files[name] as string]));
  const made = await makeMember({ ...member, files }, cancel);
  const now = codecs.map((name, index) => found[index] ?? openMember(member.files[name] as string));
  opened.length = 0;
  for (const file of now) if (file !== undefined) opened.push(file);
  if (opened.length < codecs.length)
    throw new Error(
      `the member of ${member.storePath} was made, and is gone or torn already: is something else clearing the cache, or the disk failing?`,
    );
  return made;
}

/**
 * Appends a member to every spool and its tar to the hash; says what is wrong with it, if anything.
 */
function appendMember(
  member: MemberWanted,
  opened: readonly OpenMember[],
  spools: readonly Spool[],
  diff: Hash,
  buffer: Buffer,
  cancel: CancelFlag,
): string | undefined {
  let tarBytes = 0;
  let tarCrc = 0;
  for (const chunk of tarChunks(member.root, member.storePath, () => buffer)) {
    requireWanted(cancel);
    diff.update(chunk);
    tarCrc = crc32(chunk, tarCrc);
    tarBytes += chunk.length;
  }
  for (const [index, file] of opened.entries()) {
    if (file.tarBytes !== tarBytes || file.tarCrc !== tarCrc)
      return "what is cached is not what is in the store";
    if (spools[index]?.appendChecked(file, buffer, cancel) !== true)
      return "what is cached is damaged";
  }
  return undefined;
}

interface Mark {
  readonly hash: Hash;
  readonly size: number;
}

/** A blob being put together in a file that has no name any more. */
class Spool {
  readonly name: CodecName;
  readonly fd: number;
  #hash = createHash("sha256");
  #size = 0;

  constructor(name: CodecName, directory: string) {
    this.name = name;
    mkdirSync(directory, { recursive: true });
    const path = join(directory, randomUUID());
    this.fd = openSync(path, "wx+");
    unlinkSync(path);
  }

  append(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    for (let at = 0; at < bytes.length;)
      at += writeSync(this.fd, bytes, at, bytes.length - at, this.#size + at);
    this.#size += bytes.length;
  }

  /** Appends a member's payload; false when it is not what its trailer says. */
  appendChecked(file: OpenMember, buffer: Buffer, cancel: CancelFlag): boolean {
    const own = createHash("sha256");
    for (let at = 0; at < file.payloadBytes;) {
      requireWanted(cancel);
      const length = readSync(
        file.fd,
        buffer,
        0,
        Math.min(buffer.length, file.payloadBytes - at),
        at,
      );
      if (length === 0) return false;
      const bytes = buffer.subarray(0, length);
      own.update(bytes);
      this.append(bytes);
      at += length;
    }
    return own.digest().equals(file.hash);
  }

  mark(): Mark {
    return { hash: this.#hash.copy(), size: this.#size };
  }

  rewind({ hash, size }: Mark): void {
    this.#hash = hash;
    this.#size = size;
    ftruncateSync(this.fd, size);
  }

  finish(): SpooledBlob {
    return { digest: digestOf(this.#hash), size: this.#size, fd: this.fd };
  }
}
