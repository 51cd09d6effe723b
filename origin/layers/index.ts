/** Layers of an origin: packs store paths into layers and stores what the bucket lacks. */
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
  /** Credentials of the origin's own; without them it stores by uploads that the edge signs. */
  readonly ownBucket?: BucketAccess | undefined;
  /** Where blobs are stored, instead of a bucket. */
  readonly storage?: Storage;
  /** Keeps temporary files and notes; processes may share it, and it may be lost at any time. */
  readonly cacheDir: string;
  /** Memory for packing, bytes: limits the pieces that are compressed at the same time. */
  readonly packMemory?: number | undefined;
  /** Concurrent compressors; default: one for each core. */
  readonly concurrency?: number;
  /** libdeflate's file, where the system's loader does not find it. */
  readonly libdeflate?: string | undefined;
  /**
   * Directory that /nix/store lies in; `/` when left out. (Nix calls such a store a chroot store.)
   */
  readonly root?: string;
  /** How long one request to the bucket is tried again, milliseconds. */
  readonly retryMs?: number;
  /**
   * With credentials of its own: blobs above so many bytes go in parts of that size; S3 asks for 5
   * MiB.
   */
  readonly partBytes?: number;
  readonly logger: Logger;
}

/** An origin's layers, whichever job wants them. */
export interface Layers {
  /** `requests`: what the job may ask its edge. */
  of(requests: JobRequests): LayerStore;
  /** The memory that packing works in. */
  readonly pieces: Pick<Pieces, "lent" | "peak">;
  /** Ends all work; what still runs fails. */
  close(): Promise<void>;
}

/** Layers as one job makes them. */
export interface LayerStore {
  /**
   * The layers of the parts by key, with all their blobs in the bucket; an UnfitError in place of a
   * layer that cannot be made. Throws when the store, the disk, the bucket (BucketError) or the
   * edge (RequestError) fails.
   */
  make(
    parts: readonly LayerPart[],
    options: MakeOptions,
  ): Promise<ReadonlyMap<string, MadeLayer | UnfitError>>;
  /**
   * The file listing of a store path, a blob in the bucket. With its NAR hash, it is not walked
   * again the next time. Throws an UnfitError when no listing can hold it.
   */
  listing(
    storePath: string,
    options?: { readonly narHash?: string; readonly signal?: AbortSignal },
  ): Promise<Descriptor>;
  /** A text for people, a blob in the bucket. */
  log(text: string): Promise<Descriptor>;
  blob(bytes: Uint8Array<ArrayBuffer>, contentType: Upload["contentType"]): Promise<Descriptor>;
  /** The bytes of a layer plan, null when it is not there. */
  plan(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** PACK_MEMORY's default, bytes. */
const DEFAULT_PACK_MEMORY = 256 * 2 ** 20;
/**
 * Long enough for a bucket's restart, short enough that a job still fails before whoever pulls
 * gives up.
 */
const RETRY_MS = 60_000;
/** Up to this size one request; above it, only a part that fails is sent again. */
const PART_BYTES = 8 * 2 ** 20;

/** Throws when libdeflate is not there. */
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
  // Found out now, not with the first pull. It also makes the first connection.
  bucket.check(signal).catch((error: Error) => {
    if (!signal.aborted)
      logger.error(
        { reason: error.message },
        "the bucket cannot be read: nothing can be published",
      );
  });
  return bucket;
}
