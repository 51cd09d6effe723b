/**
 * Makes layers: for each part, by its key, what the bucket has a record of is done; the rest is
 * packed and uploaded. Blobs go first, the record last.
 */
import pLimit, { type LimitFunction } from "p-limit";
import type { Logger } from "pino";
import { blobPath } from "../../edge/contract/keys.ts";
import type { Descriptor, Layer, Members, Tree } from "../../edge/contract/records.ts";
import type { StorePathInfo } from "../nix/types.ts";
import type { SpooledBlob } from "./blob-file.ts";
import type { OriginBucket } from "./bucket.ts";
import { type CodecName, type Codecs, PIECE_BYTES } from "./codecs.ts";
import { type KnownLayer, readLayer, recordLayer } from "./layer-records.ts";
import { closeBlobs, type PackedLayer, type Packer } from "./pack.ts";
import { SharedWork } from "./shared-work.ts";
import { UnfitError } from "./tree.ts";

/** What a layer is made of. */
export interface LayerPart {
  readonly key: string;
  readonly paths: readonly StorePathInfo[];
  /**
   * Only the trees of its store paths, without parent directories and end-of-archive: its members
   * are appended to those of another layer. The key must say so, for the bytes are others.
   */
  readonly bare?: boolean;
}

export interface MakeOptions {
  readonly signal: AbortSignal;
  /** Make zstd blobs as well. */
  readonly zstd: boolean;
}

export interface LayerMakerParts {
  readonly bucket: OriginBucket;
  readonly packer: Packer;
  readonly codecs: Codecs;
  readonly logger: Logger;
}

/** What the layers of one call of `make` have in common. */
interface Work {
  readonly codecs: readonly CodecName[];
  /**
   * They are read one after another, so that the first is whole as early as can be. Two jobs take
   * turns piece by piece: a small one does not wait for a huge one.
   */
  readonly reading: LimitFunction;
}

const MEDIA_TYPES: Record<CodecName, string> = {
  gzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  zstd: "application/vnd.oci.image.layer.v1.tar+zstd",
};

export class LayerMaker {
  readonly #with: LayerMakerParts;
  readonly #layers = new SharedWork<Layer>();

  constructor(parts: LayerMakerParts) {
    this.#with = parts;
  }

  /**
   * The layers of the parts, by key; an UnfitError in place of a layer that cannot be. Any other
   * error ends the work on all of them and is thrown.
   */
  async make(
    parts: readonly LayerPart[],
    { signal, zstd }: MakeOptions,
  ): Promise<Map<string, Layer | UnfitError>> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const work: Work = { codecs: zstd ? ["gzip", "zstd"] : ["gzip"], reading: pLimit(1) };
    // The largest is first on its way to the bucket, while the others are packed.
    const making = parts
      .toSorted((a, b) => size(b) - size(a))
      .map(async (part) => {
        const made = this.#layers
          .run(`${part.key} ${zstd}`, either, (signal) => this.#one(part, work, signal))
          .catch((error: unknown) => {
            if (error instanceof UnfitError) return error;
            throw error;
          });
        return [part.key, await made] as const;
      });
    try {
      return new Map(await Promise.all(making));
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(making);
      throw error;
    }
  }

  async #one(part: LayerPart, { reading, ...work }: Work, signal: AbortSignal): Promise<Layer> {
    // A small part is appended to a layer that is gzip.
    const codecs: readonly CodecName[] = part.bare === true ? ["gzip"] : work.codecs;
    const { bucket, packer, logger } = this.#with;
    const started = performance.now();
    const known = readLayer(bucket, part.key, codecs, signal);
    const lacking = known.then((found) => this.#missing(found, codecs, signal));
    lacking.catch(() => undefined);
    const reader = await reading(async () => {
      const missing = await lacking;
      if (missing.length === 0) return undefined;
      const storePaths = part.paths.map(({ path }) => path);
      return packer.read({ storePaths, bare: part.bare ?? false, codecs: missing }, signal);
    });
    if (reader === undefined) return merged(await known);
    const packed = await reader.packed;
    try {
      const packMs = Math.round(performance.now() - started);
      const made = await this.#publish(part.key, await known, packed, signal);
      const totalMs = Math.round(performance.now() - started);
      logger.debug({ key: part.key, size: made.size, packMs, totalMs }, "layer made");
      return made;
    } finally {
      closeBlobs(packed);
    }
  }

  /** The blobs that are not recorded, or not in the bucket any more. */
  async #missing(
    known: KnownLayer,
    codecs: readonly CodecName[],
    signal: AbortSignal,
  ): Promise<CodecName[]> {
    const there = await Promise.all(
      codecs.map(async (codec) => {
        const blob = known[codec];
        if (blob === undefined) return false;
        return (await this.#with.bucket.size(blobPath(blob.digest), signal)) === blob.size;
      }),
    );
    return codecs.filter((_, index) => there[index] !== true);
  }

  async #publish(
    key: string,
    known: KnownLayer,
    { diffId, blobs, trees }: PackedLayer,
    signal: AbortSignal,
  ): Promise<Layer> {
    const { bucket } = this.#with;
    requireSameTar(key, known.gzip, diffId);
    // All of them end before anything is thrown: their files are closed then.
    const done = await Promise.allSettled([
      blobs.gzip === undefined
        ? known.gzip
        : this.#put(key, "gzip", blobs.gzip, known.gzip, signal).then((blob) =>
            recordLayer(bucket, key, "gzip", { key, diffId, ...withTrees(blob, trees) }, signal),
          ),
      blobs.zstd === undefined
        ? known.zstd
        : this.#put(key, "zstd", blobs.zstd, known.zstd, signal).then((blob) =>
            recordLayer(bucket, key, "zstd", blob, signal),
          ),
    ]);
    const [gzip, zstd] = done.map((outcome) => {
      if (outcome.status === "rejected") throw outcome.reason;
      return outcome.value;
    }) as [KnownLayer["gzip"], KnownLayer["zstd"]];
    requireSameTar(key, gzip, diffId);
    return merged({ ...(gzip && { gzip }), ...(zstd && { zstd }) });
  }

  /** Uploads a blob; returns what its record says of it. */
  async #put(
    key: string,
    codec: CodecName,
    { digest, size, fd, members }: SpooledBlob,
    recorded: Described | undefined,
    signal: AbortSignal,
  ): Promise<Described> {
    const { bucket, codecs } = this.#with;
    const compressor = await codecs.describe(codec);
    // A recorded digest is named by package records; other bytes must not take its place.
    if (recorded !== undefined && recorded.digest !== digest)
      throw new Error(
        `layer ${key} is recorded as ${recorded.digest}, made by ${recorded.compressor ?? "an older Firn"}; that blob is gone from the bucket, and this origin's ${compressor} makes ${digest}: restore the blob, or delete the records that name it`,
      );
    const contentType = MEDIA_TYPES[codec];
    await bucket.putBlob({ digest, size, content: { fd }, contentType }, signal);
    return { digest, size, compressor, members: { tarBytes: PIECE_BYTES, sizes: [...members] } };
  }
}

type Described = Descriptor & { compressor?: string | undefined; members?: Members | undefined };

const size = ({ paths }: LayerPart): number => paths.reduce((sum, { narSize }) => sum + narSize, 0);

/** A bare layer's record has its trees in place of its members. */
function withTrees(
  { members, ...blob }: Described,
  trees: PackedLayer["trees"],
): Described & { trees?: Tree[] } {
  if (trees.length === 0 || members === undefined) return { ...blob, members };
  let first = 0;
  return {
    ...blob,
    trees: trees.map(({ name, members: count, tarSize }) => {
      const sizes = members.sizes.slice(first, (first += count));
      return { name, size: sizes.reduce((sum, bytes) => sum + bytes, 0), tarSize };
    }),
  };
}

/** The layer as package records have it. */
function merged({ gzip, zstd }: KnownLayer): Layer {
  if (gzip === undefined) throw new Error("a layer was made without its gzip blob");
  const { key, digest, size, diffId, trees } = gzip;
  const descriptor = zstd && { digest: zstd.digest, size: zstd.size };
  return {
    key,
    digest,
    size,
    diffId,
    ...(descriptor && { zstd: descriptor }),
    ...(trees && { trees }),
  };
}

/**
 * The same NAR hashes must give the same tar: anything else is a store that was tampered with, or a
 * fault of ours that must not spread.
 */
function requireSameTar(key: string, recorded: Layer | undefined, diffId: string): void {
  if (recorded !== undefined && recorded.diffId !== diffId)
    throw new Error(
      `layer ${key} is ${recorded.diffId} in the bucket and ${diffId} from this store: is this store damaged? \`nix-store --verify --check-contents\` tells`,
    );
}
