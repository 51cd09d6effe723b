/** Layers: packs store paths into layers, and stores those that the bucket lacks. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Digest } from "../../edge/contract/digest.ts";
import { TEXT } from "../../edge/contract/media-types.ts";
import type { Upload } from "../../edge/contract/bucket-requests.ts";
import type { Descriptor } from "../../edge/contract/records.ts";
import type { JobRequests } from "../channel/requests.ts";
import { namingFullDisk } from "../disk/full.ts";
import { Codecs } from "./codecs.ts";
import type { Storage } from "./job-bucket.ts";
import { Listings } from "./listings.ts";
import type { MadeLayer } from "./made-layer.ts";
import { LayerMaker, type LayerPart, type MakeOptions } from "./make.ts";
import { OwnBucket } from "./own-bucket.ts";
import { Packer } from "./pack.ts";
import type { Patience } from "./patience.ts";
import { Pieces } from "./pieces.ts";
import { putBytes } from "./put-bytes.ts";
import type { BucketAccess } from "./s3-client.ts";
import { SignedBucket } from "./signed-bucket.ts";
import type { UnfitError } from "./tree.ts";

export { BucketError } from "./patience.ts";
export type { BucketAccess } from "./s3-client.ts";
export type { MadeLayer } from "./made-layer.ts";
export type { LayerPart, MakeOptions } from "./make.ts";
export { UnfitError } from "./tree.ts";

export interface LayersOptions {
  /** The origin's own credentials; default: the edge signs its uploads. */
  readonly ownBucket?: BucketAccess | undefined;
  /** Where blobs are stored, instead of a bucket. */
  readonly storage?: Storage;
  /** Directory for temporary files and notes. Processes may share it, and it may be deleted. */
  readonly cacheDir: string;
  /** Memory for packing, bytes: limits how many pieces are compressed at the same time. */
  readonly packMemory?: number | undefined;
  /** Concurrent compressors; default: one for each core. */
  readonly concurrency?: number;
  /** Path of libdeflate, if the system's loader does not find it. */
  readonly libdeflate?: string | undefined;
  /** Directory that contains /nix/store (Nix's chroot stores); default: `/`. */
  readonly root?: string;
  /** How long a request to the bucket is repeated after errors, ms. */
  readonly retryMs?: number;
  /** With own credentials: larger blobs are sent in parts of this size, bytes; S3 needs 5 MiB. */
  readonly partBytes?: number;
  readonly logger: Logger;
}

/** The layers of an origin, which jobs share. */
export interface Layers {
  /** The layers for one job. `requests`: the job's requests to its edge. */
  of(requests: JobRequests): LayerStore;
  /** The memory for packing. */
  readonly pieces: Pick<Pieces, "lent" | "peak">;
  /** Ends all work; what still runs throws. */
  close(): Promise<void>;
}

/** Layers as one job makes them. */
export interface LayerStore {
  /**
   * Makes layers and stores their blobs. Returns the layers by key, with an UnfitError in place of
   * one that cannot be made. Throws when the Nix store, the disk, the bucket (BucketError) or the
   * edge (RequestError) fails.
   */
  make(
    parts: readonly LayerPart[],
    options: MakeOptions,
  ): Promise<ReadonlyMap<string, MadeLayer | UnfitError>>;
  /**
   * Stores the file listing of a store path as a blob. With its NAR hash, the listing is
   * remembered. Throws an UnfitError when a listing cannot contain it.
   */
  listing(
    storePath: string,
    options?: { readonly narHash?: string; readonly signal?: AbortSignal },
  ): Promise<Descriptor>;
  /** Stores a log as a blob. */
  log(text: string): Promise<Descriptor>;
  /** Stores bytes as a blob. */
  blob(bytes: Uint8Array<ArrayBuffer>, contentType: Upload["contentType"]): Promise<Descriptor>;
  /** The bytes of a layer plan; null when the bucket has none with this digest. */
  plan(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** PACK_MEMORY's default, bytes. */
const DEFAULT_PACK_MEMORY = 256 * 2 ** 20;
/** Long enough for the restart of a bucket, and shorter than clients wait for a pull. */
const RETRY_MS = 60_000;
/** Larger blobs are sent in parts of this size, bytes, so that only a failed part is repeated. */
const PART_BYTES = 8 * 2 ** 20;

/** Opens the layers of an origin. Throws an Error when libdeflate cannot be loaded. */
export function openLayers(options: LayersOptions): Layers {
  const { logger, cacheDir, root = "/", packMemory = DEFAULT_PACK_MEMORY } = options;
  const codecs = new Codecs(options.libdeflate);
  const pieces = new Pieces(codecs, packMemory, options.concurrency ?? availableParallelism());
  const packer = new Packer({ codecs, pieces, root, spoolDir: join(cacheDir, "spool") });
  const maker = new LayerMaker({ packer, codecs, logger });
  const listings = new Listings({ directory: join(cacheDir, "listings"), root });
  const closing = new AbortController();
  const storage = options.storage ?? openStorage(options, closing.signal);
  const untilClosed = (signal: AbortSignal | undefined): AbortSignal =>
    signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);

  return {
    of(requests) {
      const bucket = storage.of(requests);
      const blob: LayerStore["blob"] = (bytes, contentType) =>
        putBytes(bucket, { bytes, contentType }, closing.signal);
      return {
        make: (parts, options) =>
          namingFullDisk(cacheDir, () =>
            maker.make(parts, bucket, { ...options, signal: untilClosed(options.signal) }),
          ),
        listing: (storePath, { narHash, signal } = {}) =>
          listings.publish({ storePath, narHash }, bucket, untilClosed(signal)),
        log: (text) => blob(new TextEncoder().encode(text), TEXT),
        blob,
        plan: (digest) => bucket.plan(digest, closing.signal),
      };
    },
    pieces,
    async close() {
      closing.abort(new Error("the layer store was closed"));
      pieces.close();
      storage.close();
    },
  };
}

function openStorage(
  { ownBucket, retryMs = RETRY_MS, partBytes = PART_BYTES, logger }: LayersOptions,
  signal: AbortSignal,
): Storage {
  const patience: Patience = {
    retryMs,
    onRetry: ({ message }) => logger.warn({ error: message }, "the bucket failed, trying again"),
  };
  if (ownBucket === undefined) return new SignedBucket(patience);
  const bucket = new OwnBucket(ownBucket, { ...patience, partBytes });
  // So that a wrong endpoint or key is reported at the start, not with the first pull.
  bucket.check(signal).catch((error: Error) => {
    if (!signal.aborted)
      logger.error(
        { reason: error.message },
        "the bucket cannot be read: nothing can be published",
      );
  });
  return bucket;
}
