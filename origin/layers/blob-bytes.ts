/** The bytes of a blob's file, read for an upload and checked on the way. */
import { createHash } from "node:crypto";
import { read } from "node:fs";
import { promisify } from "node:util";
import type { Descriptor } from "../../edge/contract/records.ts";

/** The file of a blob does not have the bytes that were written to it. */
export class DamagedError extends Error {
  override name = "DamagedError";
}

/** Bytes of a file that are read at a time. */
const READ_BYTES = 2 ** 20;
/** Largest file, bytes, that is read into memory and sent together with many others. */
export const SMALL_BYTES = 2 ** 20;

const readAt = promisify(read);

/**
 * Reads the bytes of a blob from its file. Throws a DamagedError, before the last of them, when
 * they do not have the blob's digest.
 */
export async function* fileBytes(
  { digest, size }: Descriptor,
  fd: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  const hash = createHash("sha256");
  for (let at = 0; at < size;) {
    signal.throwIfAborted();
    const length = Math.min(READ_BYTES, size - at);
    const room = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await readAt(fd, room, 0, length, at);
    const bytes = room.subarray(0, bytesRead);
    hash.update(bytes);
    at += bytesRead;
    if (bytesRead === 0 || (at === size && `sha256:${hash.digest("hex")}` !== digest))
      throw new DamagedError(
        `the temporary file of blob ${digest} does not hold what was written to it: is the disk failing?`,
      );
    yield bytes;
  }
}
