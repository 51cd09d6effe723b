/**
 * Compressors whose outputs concatenate. A tar is compressed in frames of FRAME_BYTES, all cores at
 * once, and the same tar gives the same bytes whatever the number of threads.
 *
 * gzip: one member (RFC 1952) for a whole store path, of raw deflate pieces (RFC 1951), as pigz
 * makes them: each piece starts with the 32 KiB before it as dictionary and ends on a byte
 * (Z_SYNC_FLUSH), so pieces are compressed side by side and lose next to nothing. zstd: one frame
 * (RFC 8878) for each FRAME_BYTES.
 *
 * Not eStargz, which would let clients pull lazily: each file as its own member costs 5 % of bytes
 * (members of 256 KiB, which only newer snapshotters read, 0.2 %), its table of contents another
 * 0.5 %, and every client that does not know it finds a file /stargz.index.json in its image.
 */
import {
  constants,
  crc32,
  deflateRaw,
  deflateRawSync,
  type ZlibOptions,
  type ZstdOptions,
  zstdCompress,
  zstdCompressSync,
} from "node:zlib";
import { compresses } from "./probe.ts";

export type CodecName = "gzip" | "zstd";

/** Bytes of tar that are compressed at once: a zstd frame, and eight pieces of deflate. */
export const FRAME_BYTES = 4 * 2 ** 20;
/**
 * Bytes of tar in one piece of deflate: large enough that the dictionary's warm-up costs little,
 * small enough to keep all cores busy within a frame.
 */
export const PIECE_BYTES = 512 * 2 ** 10;
/** Deflate's window: what one piece can see of the one before. */
const WINDOW_BYTES = 32 * 2 ** 10;

/**
 * Measured on the closure of `shell` (108 MB of tar), in MB and CPU seconds of the compressor
 * alone. For scale: pigz -6 32.65 in 4.2, zstd -3 28.63 in 0.8.
 *   Node's zlib, memLevel 6: level 3 34.83 in 1.6, 4 33.79 in 2.0, 5 33.07 in 2.3, 6 32.92 in 3.1, 7 32.84 in 3.7, 8 32.73 in 7.1. zstd 3: 28.62 in 0.6.
 *   Level 6, memLevel 9 33.3, 8 33.16, 7 32.99, 6 32.92: it ends blocks sooner, so that their Huffman codes fit better; Chromium's zlib keeps its large hash table all the same.
 * Level 5 is where a tenth less time begins to cost more than a hundredth of bytes. Chromium's zlib
 * finds no matches of three bytes, so no level reaches pigz's size.
 */
const DEFLATE = { level: 5, memLevel: 6, finishFlush: constants.Z_SYNC_FLUSH } as const;
const ZSTD_LEVEL = 3;

export interface Codec {
  readonly name: CodecName;
  /** All that decides its bytes: part of every member's key. */
  readonly version: string;
  /**
   * Compressed bytes of the next FRAME_BYTES; `before` is the tar just before them. Calls may
   * overlap.
   */
  frame(tar: Buffer, before: Buffer | undefined): Promise<Buffer[]>;
  /** What stands before the first frame and after the last. */
  begin(): Buffer;
  end(tarCrc: number, tarSize: number): Buffer;
}

const EMPTY = Buffer.alloc(0);

const gzip: Codec = {
  name: "gzip",
  version: `deflate-${DEFLATE.level}-${DEFLATE.memLevel}-${PIECE_BYTES}-${process.versions.zlib}`,
  async frame(tar, before) {
    const pieces: (Buffer | Promise<Buffer>)[] = [];
    for (let at = 0; at < tar.length; at += PIECE_BYTES) {
      const piece = tar.subarray(at, at + PIECE_BYTES);
      const dictionary = at === 0 ? before : tar.subarray(at - WINDOW_BYTES, at);
      if (!compresses(piece)) pieces.push(stored(piece));
      else {
        const options: ZlibOptions = {
          ...DEFLATE,
          chunkSize: roomFor(piece.length),
          ...(dictionary === undefined ? {} : { dictionary }),
        };
        // A lone piece is done at once by this thread: most store paths are small, and there are as
        // many threads as cores.
        pieces.push(
          tar.length <= PIECE_BYTES
            ? deflateRawSync(piece, options)
            : deflatePooled(piece, options),
        );
      }
    }
    return Promise.all(pieces);
  },
  // ID1 ID2 CM=deflate FLG=0 MTIME=0 XFL=0 OS=unknown.
  begin: () => Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]),
  end(tarCrc, tarSize) {
    // A last block, fixed codes, nothing in it; then CRC-32 and the size modulo 2^32.
    const bytes = Buffer.from([0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.writeUInt32LE(tarCrc, 2);
    bytes.writeUInt32LE(tarSize % 2 ** 32, 6);
    return bytes;
  },
};

const zstd: Codec = {
  name: "zstd",
  version: `zstd-${ZSTD_LEVEL}-${FRAME_BYTES}-${process.versions["zstd"] ?? "unknown"}`,
  async frame(tar) {
    const options: ZstdOptions = {
      chunkSize: roomFor(tar.length),
      pledgedSrcSize: tar.length,
      params: {
        [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL,
        [constants.ZSTD_c_checksumFlag]: 1,
      },
    };
    return [
      tar.length <= PIECE_BYTES ? zstdCompressSync(tar, options) : await zstdPooled(tar, options),
    ];
  },
  begin: () => EMPTY,
  end: () => EMPTY,
};

export const CODECS: Record<CodecName, Codec> = { gzip, zstd };

/** The next frame's `before`: a copy, since the frame's buffer is used again. */
export const windowOf = (tar: Buffer): Buffer => Buffer.from(tar.subarray(-WINDOW_BYTES));

/** A small run of tar as one whole gzip member or zstd frame. */
export async function compressWhole(codec: Codec, tar: Buffer): Promise<Buffer> {
  return Buffer.concat([
    codec.begin(),
    ...(await codec.frame(tar, undefined)),
    codec.end(crc32(tar), tar.length),
  ]);
}

/**
 * Most bytes that compressing so many can give: zlib and zstd then write their output in one step.
 */
const roomFor = (bytes: number): number => bytes + (bytes >> 7) + 4_096;

/** Stored blocks (RFC 1951, section 3.2.4): what does not compress is copied. */
function stored(piece: Buffer): Buffer {
  const MAX = 0xffff;
  const blocks = Math.ceil(piece.length / MAX);
  const bytes = Buffer.allocUnsafe(piece.length + 5 * blocks);
  for (let from = 0, to = 0; from < piece.length; from += MAX) {
    const length = Math.min(MAX, piece.length - from);
    bytes[to] = 0;
    bytes.writeUInt16LE(length, to + 1);
    bytes.writeUInt16LE(length ^ 0xffff, to + 3);
    piece.copy(bytes, to + 5, from, from + length);
    to += 5 + length;
  }
  return bytes;
}

const deflatePooled = (piece: Buffer, options: ZlibOptions): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    deflateRaw(piece, options, (error, bytes) => (error === null ? resolve(bytes) : reject(error))),
  );

const zstdPooled = (tar: Buffer, options: ZstdOptions): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    zstdCompress(tar, options, (error, bytes) => (error === null ? resolve(bytes) : reject(error))),
  );
