/**
 * Whether deflate is worth its time on a piece: images, archives and keys come out as long as they
 * went in. Looks at the bytes alone, so the answer is the same everywhere.
 */
import { deflateRawSync } from "node:zlib";

/** Bytes looked at, spread over the piece. */
const SLICES = 16;
const SLICE_BYTES = 1_024;
/**
 * Bits a byte, by order-0 entropy: machine code and text have 4 to 6.8, compressed data above 7.9
 * (a sample of 16 KiB shows a little less than the truth).
 */
const SUSPICIOUS_BITS = 7.6;
/** Smallest gain that counts: below it, the clients' time to inflate is worth more. */
const WORTH = 0.97;

export function compresses(piece: Buffer): boolean {
  if (piece.length < 2 * SLICES * SLICE_BYTES) return true;
  const step = Math.floor((piece.length - SLICE_BYTES) / (SLICES - 1));
  const counts = new Uint32Array(256);
  for (let slice = 0; slice < SLICES; slice++) {
    const start = slice * step;
    for (let at = start; at < start + SLICE_BYTES; at++) {
      const byte = piece[at] as number;
      counts[byte] = (counts[byte] as number) + 1;
    }
  }
  const total = SLICES * SLICE_BYTES;
  let bits = 0;
  for (const count of counts) if (count > 0) bits -= (count / total) * Math.log2(count / total);
  if (bits < SUSPICIOUS_BITS) return true;
  const sample = Buffer.concat(
    Array.from({ length: SLICES }, (_, slice) =>
      piece.subarray(slice * step, slice * step + SLICE_BYTES),
    ),
  );
  return deflateRawSync(sample, { level: 1 }).length < sample.length * WORTH;
}
