/**
 * Compresses a tar of links: one gzip member (RFC 1952) that holds one block of DEFLATE with fixed
 * Huffman codes (RFC 1951, 3.2.6).
 *
 * Tar headers that follow each other are nearly the same: of 512 bytes some 60 differ, in name,
 * target and checksum. So repeats are looked for at two distances only, 512 bytes and 1 byte:
 *
 *   bin/cat␀␀␀␀␀␀␀␀…0000777…012345…2/nix/store/aaaa-coreutils/bin/cat␀␀␀…ustar␀00␀␀␀…
 *   bin/chmod␀␀␀␀␀␀…0000777…012571…2/nix/store/aaaa-coreutils/bin/chmod␀…ustar␀00␀␀␀…
 *   (5, 512) h m o d (79, 512) …
 *
 * A general compressor makes the links smaller, by some kilobytes, but takes five times as long: in
 * an isolate that has just started, a tenth of the time of its first image. The runtime's zlib
 * cannot be taken: the same links must be the same bytes everywhere, whatever its version.
 */
import { crc32 } from "node:zlib";
import { TAR_BLOCK } from "../contract/tar.ts";

/** Magic number, method deflate, no flags, no time, no extra flags, unknown system. */
const HEADER = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/** CRC-32 and length of the contents. */
const TRAILER_BYTES = 8;
/** Most bits of a byte that is not repeated. */
const LITERAL_BITS = 9;

/** Lengths of a repeat in DEFLATE. */
const MIN_LENGTH = 3;
const MAX_LENGTH = 258;

const LAST_BLOCK_FIXED_CODES = 0b011;
const END_OF_BLOCK = 256;

interface Code {
  readonly code: number;
  readonly bits: number;
}
/** Distance codes have 5 bits: 0 is 1 byte; 17 begins at 385 bytes and has 7 extra bits. */
const BYTE_BACK: Code = { code: reverse(0, 5), bits: 5 };
const BLOCK_BACK: Code = { code: reverse(17, 5) | ((TAR_BLOCK - 385) << 5), bits: 12 };
/** By symbol: a byte, END_OF_BLOCK, and from 257 on lengths (RFC 1951, 3.2.6). */
const CODES: readonly Code[] = Array.from({ length: 286 }, (_, symbol) => {
  if (symbol < 144) return { code: reverse(0x30 + symbol, 8), bits: 8 };
  if (symbol < 256) return { code: reverse(0x190 + symbol - 144, 9), bits: 9 };
  if (symbol < 280) return { code: reverse(symbol - 256, 7), bits: 7 };
  return { code: reverse(0xc0 + symbol - 280, 8), bits: 8 };
});

/** The gzip member that holds `tar`. Deterministic; every change of its output changes images. */
export function gzipLinks(tar: Uint8Array): Uint8Array<ArrayBuffer> {
  const room = HEADER.length + Math.ceil((tar.length * LITERAL_BITS) / 8) + 4 + TRAILER_BYTES;
  const out = new BitWriter(room);
  for (const byte of HEADER) out.write(byte, 8);
  out.write(LAST_BLOCK_FIXED_CODES, 3);
  for (let at = 0; at < tar.length;) {
    const back = repeated(tar, at, TAR_BLOCK);
    const run = back < MAX_LENGTH ? repeated(tar, at, 1) : 0;
    const length = Math.max(back, run);
    if (length < MIN_LENGTH) {
      out.writeCode(CODES[tar[at] as number]);
      at += 1;
    } else {
      writeLength(out, length);
      out.writeCode(back >= run ? BLOCK_BACK : BYTE_BACK);
      at += length;
    }
  }
  out.writeCode(CODES[END_OF_BLOCK]);
  out.fillByte();
  out.write32(crc32(tar));
  out.write32(tar.length);
  return out.written();
}

/** How many bytes from `at` on are those that stand `distance` before them, at most MAX_LENGTH. */
function repeated(bytes: Uint8Array, at: number, distance: number): number {
  if (at < distance) return 0;
  const end = Math.min(bytes.length, at + MAX_LENGTH);
  let next = at;
  while (next < end && bytes[next] === bytes[next - distance]) next++;
  return next - at;
}

/**
 * A length (RFC 1951, 3.2.5). From 11 on, each power of two has four symbols, and extra bits say
 * which of a symbol's lengths it is; 258 has a symbol of its own.
 */
function writeLength(out: BitWriter, length: number): void {
  const above = length - MIN_LENGTH;
  if (length === MAX_LENGTH) return out.writeCode(CODES[285]);
  if (above < 8) return out.writeCode(CODES[257 + above]);
  const extra = 29 - Math.clz32(above);
  out.writeCode(CODES[257 + 4 * extra + (above >> extra)]);
  out.write(above & ((1 << extra) - 1), extra);
}

/** Huffman codes stand with their highest bit first, everything else with its lowest. */
function reverse(code: number, bits: number): number {
  let reversed = 0;
  for (let bit = 0; bit < bits; bit++) reversed |= ((code >> bit) & 1) << (bits - 1 - bit);
  return reversed;
}

/** Writes numbers of up to 16 bits, lowest bit first. */
class BitWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #at = 0;
  #pending = 0;
  #bits = 0;

  constructor(room: number) {
    this.#bytes = new Uint8Array(room);
  }

  write(value: number, bits: number): void {
    this.#pending |= value << this.#bits;
    this.#bits += bits;
    while (this.#bits >= 8) {
      this.#bytes[this.#at++] = this.#pending;
      this.#pending >>>= 8;
      this.#bits -= 8;
    }
  }

  /** Throws a RangeError without a code: there is one for every symbol. */
  writeCode(code: Code | undefined): void {
    if (code === undefined) throw new RangeError("DEFLATE has no such symbol");
    this.write(code.code, code.bits);
  }

  /** Zeros up to the next whole byte. */
  fillByte(): void {
    this.write(0, (8 - this.#bits) % 8);
  }

  write32(value: number): void {
    this.write(value & 0xffff, 16);
    this.write(value >>> 16, 16);
  }

  written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }
}
