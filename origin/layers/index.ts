/**
 * Layers of an origin: packs store paths into layers, keeps their compressed members on disk, and
 * uploads what the bucket lacks.
 */
import { createHash } from "node:crypto";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import pLimit from "p-limit";
import type { Logger } from "pino";
import type { Digest } from "../../edge/contract/digest.ts";
import { blobPath } from "../../edge/contract/keys.ts";
import type { Descriptor, Layer } from "../../edge/contract/records.ts";
import { OriginBucket } from "./bucket.ts";
import { MemberCache } from "./cache.ts";
import { Listings } from "./listings.ts";
import { LayerMaker, type LayerPart, type MakeOptions } from "./make.ts";
import { MEMBER_MEMORY } from "./member.ts";
import { Packer } from "./pack.ts";
import type { BucketAccess } from "./s3-client.ts";
import { Workers } from "./workers.ts";

export { BucketError } from "./bucket.ts";
export type { LayerPart, MakeOptions } from "./make.ts";
export type { BucketAccess } from "./s3-client.ts";

export interface LayerStoreOptions {
  readonly s3: BucketAccess;
  /** Directory of the member cache; processes may share it, and it may be lost at any time. */
  readonly cacheDir: string;
  /** Members kept on disk, bytes. */
  readonly cacheBytes: number;
  /** Memory for packing, bytes: bounds the number of threads. */
  readonly packMemory?: number;
  /** Most packing threads; one for each core when left out. */
  readonly concurrency?: number;
  /**
   * Directory that /nix/store lies in; `/` when left out. (Nix calls such a store a chroot store.)
   */
  readonly root?: string;
  /** How long one request to the bucket is tried again, milliseconds. */
  readonly retryMs?: number;
  /** Blobs above so many bytes go to the bucket in parts. */
  readonly multipartBytes?: number;
  readonly logger: Logger;
}

export interface LayerStore {
  /**
   * The layers of the parts, in their order, with all their blobs in the bucket. Throws a TreeError
   * when a store path is not fit, a BucketError when the bucket is not.
   */
  make(parts: readonly LayerPart[], options: MakeOptions): Promise<Layer[]>;
  /**
   * The file listing of a store path, a blob in the bucket. With its NAR hash, it is not walked
   * again the next time.
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
  /** Ends all work; what still runs fails. */
  close(): Promise<void>;
}

/** PACK_MEMORY's default, bytes. */
export const DEFAULT_PACK_MEMORY = 256 * 2 ** 20;
/**
 * Memory of one packing thread, bytes: its JavaScript heap with what waits to be collected, and its
 * buffers. Measured: an origin with two threads peaks at 420 MiB of resident memory over a closure
 * of 2.7 GB, about 150 of it before any thread; a third thread of the default PACK_MEMORY stays
 * below 512.
 */
const THREAD_MEMORY = 60 * 2 ** 20 + MEMBER_MEMORY;
/**
 * Long enough for a bucket's restart, short enough that a job still fails before whoever pulls
 * gives up.
 */
const RETRY_MS = 60_000;
/** One PUT up to here; above it, parts go side by side and one of them is tried again alone. */
const MULTIPART_BYTES = 64 * 2 ** 20;
/**
 * Layers assembled or uploaded at once: hides the bucket's latency; each holds at most a few stream
 * buffers.
 */
const UPLOADS_AT_ONCE = 8;

export function openLayerStore(options: LayerStoreOptions): LayerStore {
  const { logger, root = "/" } = options;
  const bucket = new OriginBucket(options.s3, {
    retryMs: options.retryMs ?? RETRY_MS,
    multipartBytes: options.multipartBytes ?? MULTIPART_BYTES,
    onRetry: (error, waitMs) =>
      logger.warn(
        { error: error.message, waitMs: Math.round(waitMs) },
        "the bucket failed, trying again",
      ),
  });
  const affordable = Math.max(
    1,
    Math.floor((options.packMemory ?? DEFAULT_PACK_MEMORY) / THREAD_MEMORY),
  );
  const workers = new Workers(Math.min(options.concurrency ?? availableParallelism(), affordable));
  const cache = new MemberCache(join(options.cacheDir, "members"), options.cacheBytes);
  const packer = new Packer({ cache, workers, root, spoolDir: join(options.cacheDir, "spool") });
  const maker = new LayerMaker({ bucket, packer, uploads: pLimit(UPLOADS_AT_ONCE), logger });
  const closing = new AbortController();

  const blob = async (
    bytes: Uint8Array<ArrayBuffer>,
    contentType: string,
    signal: AbortSignal = closing.signal,
  ): Promise<Descriptor> => {
    const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    await bucket.putBlob(blobPath(digest), digest, bytes, contentType, signal);
    return { digest, size: bytes.length };
  };
  const listings = new Listings({
    directory: join(options.cacheDir, "listings"),
    root,
    workers,
    bucket,
    blob,
  });
  const untilClosed = (signal: AbortSignal | undefined): AbortSignal =>
    signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);

  return {
    make: (parts, { signal, zstd }) => maker.make(parts, { signal: untilClosed(signal), zstd }),
    listing: (storePath, { narHash, signal } = {}) =>
      listings.publish(storePath, narHash, untilClosed(signal)),
    log: (text) => blob(new TextEncoder().encode(text), "text/plain; charset=utf-8"),
    blob: (bytes, contentType) => blob(bytes, contentType),
    get: (key) => bucket.get(key, closing.signal),
    async close() {
      closing.abort(new Error("the layer store was closed"));
      await workers.close();
      bucket.close();
    },
  };
}
