/** Layers of an origin: packs store paths into layers and uploads what the bucket lacks. */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Descriptor } from "../../edge/contract/records.ts";
import { type BucketAccess, OriginBucket } from "./bucket.ts";
import { Codecs } from "./codecs.ts";
import { Listings } from "./listings.ts";
import { LayerMaker, type LayerPart, type MadeLayer, type MakeOptions } from "./make.ts";
import { Packer } from "./pack.ts";
import { Pieces } from "./pieces.ts";
import type { UnfitError } from "./tree.ts";

export { type BucketAccess, BucketError } from "./bucket.ts";
export type { LayerPart, MadeLayer, MakeOptions } from "./make.ts";
export { UnfitError } from "./tree.ts";

export interface LayerStoreOptions {
  readonly s3: BucketAccess;
  /** Keeps temporary files and notes; processes may share it, and it may be lost at any time. */
  readonly cacheDir: string;
  /** Memory for packing, bytes: bounds the pieces that are compressed at once. */
  readonly packMemory?: number;
  /** Compressors at once; one for each core when left out. */
  readonly concurrency?: number;
  /** libdeflate's file, where the system's loader does not find it. */
  readonly libdeflate?: string;
  /**
   * Directory that /nix/store lies in; `/` when left out. (Nix calls such a store a chroot store.)
   */
  readonly root?: string;
  /** How long one request to the bucket is tried again, milliseconds. */
  readonly retryMs?: number;
  /** Blobs above so many bytes go to the bucket in parts of that size; S3 asks for 5 MiB. */
  readonly partBytes?: number;
  readonly logger: Logger;
}

export interface LayerStore {
  /**
   * The layers of the parts by key, with all their blobs in the bucket; an UnfitError in place of a
   * layer that cannot be made. Throws when the store, the disk or the bucket (BucketError) fails.
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
  blob(bytes: Uint8Array<ArrayBuffer>, contentType: string): Promise<Descriptor>;
  /** An object of the bucket, null when it is not there. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** The memory that packing works in. */
  readonly pieces: Pick<Pieces, "lent" | "peak">;
  /** Ends all work; what still runs fails. */
  close(): Promise<void>;
}

/** PACK_MEMORY's default, bytes. */
export const DEFAULT_PACK_MEMORY = 256 * 2 ** 20;
/**
 * Long enough for a bucket's restart, short enough that a job still fails before whoever pulls
 * gives up.
 */
const RETRY_MS = 60_000;
/** One request up to here; above it, one part that fails is sent again alone. */
const PART_BYTES = 8 * 2 ** 20;

/** Throws when libdeflate is not there. */
export function openLayerStore(options: LayerStoreOptions): LayerStore {
  const { logger, cacheDir, root = "/", packMemory = DEFAULT_PACK_MEMORY } = options;
  const bucket = new OriginBucket(options.s3, {
    retryMs: options.retryMs ?? RETRY_MS,
    partBytes: options.partBytes ?? PART_BYTES,
    onRetry: ({ message }) => logger.warn({ error: message }, "the bucket failed, trying again"),
  });
  const codecs = new Codecs(options.libdeflate);
  const pieces = new Pieces(codecs, packMemory, options.concurrency ?? availableParallelism());
  const packer = new Packer({ codecs, pieces, root, spoolDir: join(cacheDir, "spool") });
  const maker = new LayerMaker({ bucket, packer, codecs, logger });
  const closing = new AbortController();
  const untilClosed = (signal: AbortSignal | undefined): AbortSignal =>
    signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);

  const blob = async (
    content: Uint8Array<ArrayBuffer>,
    contentType: string,
    signal: AbortSignal = closing.signal,
  ): Promise<Descriptor> => {
    const digest = `sha256:${createHash("sha256").update(content).digest("hex")}` as const;
    await bucket.putBlob({ digest, size: content.length, content, contentType }, signal);
    return { digest, size: content.length };
  };
  const listings = new Listings({ directory: join(cacheDir, "listings"), root, bucket, blob });

  return {
    make: (parts, options) =>
      maker.make(parts, { ...options, signal: untilClosed(options.signal) }),
    listing: (storePath, { narHash, signal } = {}) =>
      listings.publish(storePath, narHash, untilClosed(signal)),
    log: (text) => blob(new TextEncoder().encode(text), "text/plain; charset=utf-8"),
    blob: (bytes, contentType) => blob(bytes, contentType),
    get: (key) => bucket.get(key, closing.signal),
    pieces,
    async close() {
      closing.abort(new Error("the layer store was closed"));
      pieces.close();
      bucket.close();
    },
  };
}
