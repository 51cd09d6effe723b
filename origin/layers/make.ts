/**
 * Makes layers: for each part, by its key, what the bucket has a record of is done; the rest is
 * packed and uploaded. Blobs go first, the record last.
 */
import type { Logger } from "pino";
import type { LimitFunction } from "p-limit";
import { blobPath } from "../../edge/contract/keys.ts";
import type { Descriptor, Layer } from "../../edge/contract/records.ts";
import type { StorePathInfo } from "../nix/types.ts";
import type { AssembledLayer, SpooledBlob } from "./assemble.ts";
import type { OriginBucket } from "./bucket.ts";
import type { CodecName } from "./codecs.ts";
import { type KnownLayer, readLayer, recordLayer, recordZstd } from "./layer-records.ts";
import { closeBlobs, type Packer } from "./pack.ts";
import { SharedWork } from "./shared.ts";
import { TreeError } from "./tree.ts";

/** What a layer is made of. */
export interface LayerPart {
  readonly key: string;
  readonly paths: readonly StorePathInfo[];
}

export interface MakeOptions {
  readonly signal: AbortSignal;
  /** Make zstd blobs as well. */
  readonly zstd: boolean;
}

export interface LayerMakerParts {
  readonly bucket: OriginBucket;
  readonly packer: Packer;
  /** Layers that are assembled or uploaded at once. */
  readonly uploads: LimitFunction;
  readonly logger: Logger;
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

  /** The layers of the parts, in their order. When one fails, the others are given up. */
  async make(parts: readonly LayerPart[], { signal, zstd }: MakeOptions): Promise<Layer[]> {
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    // The largest are begun first, so that none is left alone at the end.
    const bySize = [...parts.keys()].sort(
      (a, b) => size(parts[b] as LayerPart) - size(parts[a] as LayerPart),
    );
    const made = new Map<number, Promise<Layer>>();
    for (const index of bySize) {
      const part = parts[index] as LayerPart;
      made.set(
        index,
        this.#layers.run(`${part.key} ${zstd}`, either, (signal) => this.#one(part, zstd, signal)),
      );
    }
    try {
      return await Promise.all(parts.map((_, index) => made.get(index) as Promise<Layer>));
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(made.values());
      throw error;
    }
  }

  async #one(part: LayerPart, zstd: boolean, signal: AbortSignal): Promise<Layer> {
    const { bucket, packer, uploads, logger } = this.#with;
    const known = await readLayer(bucket, part.key, zstd, signal);
    const wanted: readonly CodecName[] = zstd ? ["gzip", "zstd"] : ["gzip"];
    const there = await Promise.all(wanted.map((name) => this.#isThere(known[name], signal)));
    const codecs = wanted.filter((_, index) => there[index] !== true);
    if (codecs.length === 0) return merged(known);
    const started = performance.now();
    await packer.prepare(part.paths, codecs, signal);
    return uploads(async () => {
      const layer = await packer.assemble(part.paths, codecs, signal);
      try {
        const packed = performance.now();
        const done = await this.#publish(part, known, layer, signal);
        logger.debug(
          {
            key: part.key,
            paths: part.paths.length,
            size: done.size,
            packMs: Math.round(packed - started),
            uploadMs: Math.round(performance.now() - packed),
          },
          "layer made",
        );
        return done;
      } finally {
        closeBlobs(layer);
      }
    });
  }

  /** Whether a recorded blob is in the bucket still; one that somebody deleted is made again. */
  async #isThere(blob: Descriptor | undefined, signal: AbortSignal): Promise<boolean> {
    return (
      blob !== undefined &&
      (await this.#with.bucket.size(blobPath(blob.digest), signal)) === blob.size
    );
  }

  async #publish(
    part: LayerPart,
    known: KnownLayer,
    { diffId, blobs }: AssembledLayer,
    signal: AbortSignal,
  ): Promise<Layer> {
    const { bucket } = this.#with;
    if (known.gzip !== undefined && known.gzip.diffId !== diffId)
      throw differs(part.key, known.gzip, diffId);
    const uploads = Object.entries(blobs).map(async ([name, blob]) => {
      const recorded = known[name as CodecName];
      if (recorded !== undefined && recorded.digest !== blob.digest)
        throw lost(part.key, recorded, blob);
      await bucket.putBlob(
        blobPath(blob.digest),
        blob.digest,
        blob,
        MEDIA_TYPES[name as CodecName],
        signal,
      );
    });
    // All of them, before anything is thrown: their files are closed then.
    for (const outcome of await Promise.allSettled(uploads))
      if (outcome.status === "rejected") throw outcome.reason;
    const [gzip, zstd] = await Promise.all([
      blobs.gzip === undefined
        ? known.gzip
        : recordLayer(bucket, { key: part.key, diffId, ...descriptor(blobs.gzip) }, signal),
      blobs.zstd === undefined
        ? known.zstd
        : recordZstd(bucket, part.key, descriptor(blobs.zstd), signal),
    ]);
    if (gzip !== undefined && gzip.diffId !== diffId) throw differs(part.key, gzip, diffId);
    return merged({ gzip, zstd });
  }
}

const size = ({ paths }: LayerPart): number => paths.reduce((sum, { narSize }) => sum + narSize, 0);
const descriptor = ({ digest, size }: SpooledBlob) => ({ digest, size });

/** The layer as package records have it. */
function merged({ gzip, zstd }: KnownLayer): Layer {
  if (gzip === undefined) throw new Error("a layer was made without its gzip blob");
  return { ...gzip, ...(zstd === undefined ? {} : { zstd }) };
}

/** A recorded digest is named by package records; other bytes must not take its place. */
function lost(key: string, recorded: Descriptor, made: Descriptor): Error {
  return new Error(
    `layer ${key} is recorded as ${recorded.digest}, that blob is gone from the bucket, and this origin's compressor makes ${made.digest}: restore the blob, or delete the records that name it`,
  );
}

/**
 * The same NAR hashes must give the same tar: anything else is a store that was tampered with, or a
 * fault of ours that must not spread.
 */
function differs(key: string, recorded: Layer, diffId: string): TreeError {
  return new TreeError(
    `layer ${key} is ${recorded.diffId} in the bucket and ${diffId} from this store: is this store damaged? \`nix-store --verify --check-contents\` tells`,
  );
}
