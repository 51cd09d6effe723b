/**
 * Packs store paths into the blobs of a layer, in temporary files and in one pass:
 *
 *   read → tar → SHA-256 (diffId) → compress → SHA-256 (digest) → temporary file
 *
 * The main thread reads and hashes, in a tenth of the time that compression takes. The pieces of a
 * layer are compressed on all threads of Node's pool, and written in order.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync } from "node:fs";
import { basename } from "node:path";
import type { Digest } from "../../edge/contract/digest.ts";
import { BlobFile, type SpooledBlob } from "./blob-file.ts";
import type { CodecName, Codecs, Piece } from "./codecs.ts";
import { LayerTar } from "./layer-tar.ts";
import type { Pieces } from "./pieces.ts";

export interface PackedLayer {
  readonly diffId: Digest;
  /** The store paths of a bare layer, in order; empty for any other. */
  readonly trees: readonly PackedTree[];
  readonly blobs: Partial<Record<CodecName, SpooledBlob>>;
}

export interface PackedTree {
  /** File name below /nix/store. */
  readonly name: string;
  /** How many members of the blob it has: each tree begins a new member. */
  readonly members: number;
  readonly tarSize: number;
}

export interface PackRequest {
  readonly storePaths: readonly string[];
  /** Whether it has only the trees of the store paths (layer-tar.ts). */
  readonly bare?: boolean;
  readonly codecs: readonly CodecName[];
}

export interface PackerOptions {
  readonly codecs: Codecs;
  readonly pieces: Pieces;
  /** Directory that contains /nix/store. */
  readonly root: string;
  /** Directory of the temporary files. */
  readonly spoolDir: string;
}

type Files = Map<CodecName, BlobFile>;

/** Packs the layers of an origin. */
export class Packer {
  readonly #options: PackerOptions;

  constructor(options: PackerOptions) {
    this.#options = options;
  }

  /**
   * Packs a layer, which the caller closes with `closeBlobs`. Throws the errors of LayerTar and of
   * the disk, and the signal's reason; then nothing is left behind.
   */
  async pack(request: PackRequest, signal: AbortSignal): Promise<PackedLayer> {
    return (await this.read(request, signal)).packed;
  }

  /** The same, but returns when everything is read, while the last pieces are still compressed. */
  async read(
    { storePaths, bare = false, codecs }: PackRequest,
    signal: AbortSignal,
  ): Promise<{ readonly packed: Promise<PackedLayer> }> {
    signal.throwIfAborted();
    const { root, spoolDir } = this.#options;
    const diff = createHash("sha256");
    const files: Files = new Map();
    const trees: PackedTree[] = [];
    let written = Promise.resolve();
    const readTar = async (paths: readonly string[]): Promise<void> => {
      const tar = new LayerTar({ root, storePaths: paths, bare });
      let [members, tarSize] = [0, 0];
      try {
        for await (const [piece, length] of this.#filled(tar, signal)) {
          diff.update(piece.tar.subarray(0, length));
          written = this.#write(piece, length, files, written);
          // A full disk ends the reading; `packed` throws the error.
          written.catch(() => tar.close());
          members += 1;
          tarSize += length;
        }
      } finally {
        tar.close();
      }
      if (bare) trees.push({ name: basename(paths[0] ?? ""), members, tarSize });
    };
    try {
      for (const codec of codecs) files.set(codec, new BlobFile(spoolDir));
      if (bare) for (const path of storePaths.toSorted()) await readTar([path]);
      else await readTar(storePaths);
    } catch (error) {
      await written.catch(() => undefined);
      for (const file of files.values()) file.drop();
      throw error;
    }
    const packed = finished({ files, written, diff, trees });
    packed.catch(() => undefined);
    return { packed };
  }

  /** The tar piece by piece; the caller gives each piece back. */
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

  /** Compresses a piece and appends it to the files after all pieces before it. */
  async #write(piece: Piece, length: number, files: Files, before: Promise<void>): Promise<void> {
    const { codecs, pieces } = this.#options;
    try {
      // All must end before the piece is given back, since they use its memory.
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

/** A layer that was read, and is being compressed. */
interface Reading {
  readonly files: Files;
  readonly written: Promise<void>;
  readonly diff: Hash;
  readonly trees: readonly PackedTree[];
}

/** The blobs, when all of their members are written. */
async function finished({ files, written, diff, trees }: Reading): Promise<PackedLayer> {
  try {
    await written;
  } catch (error) {
    for (const file of files.values()) file.drop();
    throw error;
  }
  return {
    diffId: `sha256:${diff.digest("hex")}`,
    trees,
    blobs: Object.fromEntries([...files].map(([codec, file]) => [codec, file.finish()])),
  };
}

/** Closes the temporary files of a layer, which deletes them. */
export function closeBlobs({ blobs }: PackedLayer): void {
  for (const { fd } of Object.values(blobs)) closeSync(fd);
}
