/**
 * Packs store paths into a layer on this machine's disk, in one pass:
 *
 *   read → tar → SHA-256 (diffId) → compress → SHA-256 (digest) → temporary file
 *
 * The main thread reads and hashes, which takes a tenth of the compressor's time; the pieces of one
 * layer are compressed on all threads of Node's pool and written in their order. When a layer has
 * been read, the next one is begun, so that no thread waits for another's last piece.
 */
import { createHash } from "node:crypto";
import { closeSync } from "node:fs";
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { BlobFile, type SpooledBlob } from "./blob-file.ts";
import type { CodecName, Codecs, Piece } from "./codecs.ts";
import { LayerTar } from "./layer-tar.ts";
import type { Pieces } from "./pieces.ts";

export interface PackedLayer {
  readonly diffId: Digest;
  readonly blobs: Partial<Record<CodecName, SpooledBlob>>;
}

export interface PackRequest {
  readonly storePaths: readonly string[];
  /** Only the trees of the store paths, to stand inside another tar: see LayerTar. */
  readonly bare?: boolean;
  readonly codecs: readonly CodecName[];
}

export interface PackerOptions {
  readonly codecs: Codecs;
  readonly pieces: Pieces;
  /** Directory that /nix/store lies in. */
  readonly root: string;
  /** Where blobs wait for their upload. */
  readonly spoolDir: string;
}

/** Layers that are read at once: two, so that a small one need not wait for a huge one. */
const LAYERS_AT_ONCE = 2;

export class Packer {
  readonly #options: PackerOptions;
  readonly #reading = pLimit(LAYERS_AT_ONCE);

  constructor(options: PackerOptions) {
    this.#options = options;
  }

  /**
   * The layer of these store paths; whoever asked closes it with `closeBlobs`. Throws what LayerTar
   * throws, the disk's errors, and the signal's reason; nothing is left behind then.
   */
  async pack(request: PackRequest, signal: AbortSignal): Promise<PackedLayer> {
    const { storePaths, bare = false, codecs } = request;
    const { root, spoolDir } = this.#options;
    const files = new Map<CodecName, BlobFile>();
    let written: Promise<void> | undefined;
    try {
      const diffId = await this.#reading(async () => {
        signal.throwIfAborted();
        for (const codec of codecs) files.set(codec, new BlobFile(spoolDir));
        const diff = createHash("sha256");
        const tar = new LayerTar({ root, storePaths, bare });
        try {
          for await (const [piece, length] of this.#filled(tar, signal)) {
            diff.update(piece.tar.subarray(0, length));
            written = this.#write(piece, length, files, written);
            // A full disk ends the reading, too; the error itself is thrown below.
            written.catch(() => tar.close());
          }
        } finally {
          tar.close();
        }
        return diff;
      });
      await written;
      return {
        diffId: `sha256:${diffId.digest("hex")}`,
        blobs: Object.fromEntries([...files].map(([codec, file]) => [codec, file.finish()])),
      };
    } catch (error) {
      await written?.catch(() => undefined);
      for (const file of files.values()) file.drop();
      throw error;
    }
  }

  /** The tar, piece by piece; whoever takes a piece gives it back. */
  async *#filled(tar: LayerTar, signal: AbortSignal): AsyncGenerator<[Piece, number]> {
    const { pieces } = this.#options;
    for (;;) {
      const piece = await pieces.take();
      let length = 0;
      try {
        signal.throwIfAborted();
        length = tar.fill(piece.tar);
      } finally {
        if (length === 0) pieces.give(piece);
      }
      if (length === 0) return;
      yield [piece, length];
    }
  }

  /** Compresses a piece at once and appends it to the files after all before it. */
  async #write(
    piece: Piece,
    length: number,
    files: ReadonlyMap<CodecName, BlobFile>,
    before: Promise<void> | undefined,
  ): Promise<void> {
    const { codecs, pieces } = this.#options;
    try {
      // All of them end before the piece is given back: they work in its memory.
      const members = await Promise.allSettled(
        [...files.keys()].map((codec) => codecs.compress(codec, piece, length)),
      );
      await before;
      const outputs = [...files.values()];
      for (const [index, member] of members.entries()) {
        if (member.status === "rejected") throw member.reason;
        outputs[index]?.append(member.value);
      }
    } finally {
      pieces.give(piece);
    }
  }
}

export function closeBlobs({ blobs }: PackedLayer): void {
  for (const { fd } of Object.values(blobs)) closeSync(fd);
}
