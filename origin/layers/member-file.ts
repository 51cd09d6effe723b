/**
 * A member on disk: the compressed tar of one store path, then a trailer of TRAILER_BYTES that
 * tells what it must be.
 *
 *   payload   magic (8)   payload bytes (8)   tar bytes (8)   CRC-32 of the tar (4)   SHA-256 of the payload (32)   CRC-32 of this trailer (4)
 *
 * It is written under another name and renamed when whole. It is not fsynced: whoever reads it
 * checks it against its trailer, so a member that a power cut tore is found, and made again.
 */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";

const MAGIC = Buffer.from("FIRNMEM1");
const TRAILER_BYTES = 64;
/** A writer's name ends so until its member is whole. */
export const UNFINISHED = ".part";

export interface MemberFacts {
  readonly payloadBytes: number;
  readonly tarBytes: number;
  readonly tarCrc: number;
  /** SHA-256 of the payload. */
  readonly hash: Buffer;
}

export interface OpenMember extends MemberFacts {
  readonly fd: number;
}

/**
 * Opens a member; undefined when there is none, or it is not whole. The payload is not checked yet.
 * The taker closes `fd`.
 */
export function openMember(path: string): OpenMember | undefined {
  const fd = openIfThere(path);
  if (fd === undefined) return undefined;
  const trailer = Buffer.alloc(TRAILER_BYTES);
  const payloadBytes = fstatSync(fd).size - TRAILER_BYTES;
  const whole =
    payloadBytes >= 0 && readSync(fd, trailer, 0, TRAILER_BYTES, payloadBytes) === TRAILER_BYTES;
  if (
    !whole ||
    !trailer.subarray(0, 8).equals(MAGIC) ||
    trailer.readUInt32LE(60) !== crc32(trailer.subarray(0, 60)) ||
    trailer.readBigUInt64LE(8) !== BigInt(payloadBytes)
  ) {
    closeSync(fd);
    return undefined;
  }
  return {
    fd,
    payloadBytes,
    tarBytes: Number(trailer.readBigUInt64LE(16)),
    tarCrc: trailer.readUInt32LE(24),
    hash: trailer.subarray(28, 60),
  };
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/** A member being written: `append` its payload, then `finish`, or `drop` it. */
export class MemberWriter {
  readonly #path: string;
  readonly #unfinished: string;
  readonly #fd: number;

  constructor(path: string) {
    this.#path = path;
    this.#unfinished = `${path}.${randomUUID()}${UNFINISHED}`;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(this.#unfinished, "wx");
  }

  append(bytes: Buffer): void {
    writeAll(this.#fd, bytes);
  }

  finish(facts: MemberFacts): void {
    const trailer = Buffer.alloc(TRAILER_BYTES);
    MAGIC.copy(trailer);
    trailer.writeBigUInt64LE(BigInt(facts.payloadBytes), 8);
    trailer.writeBigUInt64LE(BigInt(facts.tarBytes), 16);
    trailer.writeUInt32LE(facts.tarCrc, 24);
    facts.hash.copy(trailer, 28);
    trailer.writeUInt32LE(crc32(trailer.subarray(0, 60)), 60);
    writeAll(this.#fd, trailer);
    closeSync(this.#fd);
    renameSync(this.#unfinished, this.#path);
  }

  drop(): void {
    closeSync(this.#fd);
    unlinkSync(this.#unfinished);
  }
}

/** Writes all of `bytes` at the file's position: write(2) may take less than it was given. */
export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
}
