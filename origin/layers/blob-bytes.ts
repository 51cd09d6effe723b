/** The bytes of a blob on their way to the bucket. */
import { createHash } from "node:crypto";
import { read } from "node:fs";
import { promisify } from "node:util";
import type { Descriptor } from "../../edge/contract/records.ts";

/** A blob's file does not contain what was written to it. */
export class DamagedError extends Error {
  override name = "DamagedError";
}

/** Bytes of a file that are read at a time. */
const READ_BYTES = 2 ** 20;
/** Up to here a file waits for no other: many small ones wait for the bucket's answers together. */
export const SMALL_BYTES = 2 ** 20;

const readAt = promisify(read);

/**
 * The blob's bytes from its file. Throws a DamagedError when it holds others than were written to
 * it, before the last of them.
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
