/** The bucket as a job may use it. */
import type { Digest } from "../../edge/contract/digest.ts";
import type { KnownLayer, Upload } from "../../edge/contract/bucket-requests.ts";
import type { JobRequests } from "../channel/requests.ts";

/** A blob to be stored, with its content in a file or in memory. */
export interface Blob extends Upload {
  readonly content: { readonly fd: number } | Uint8Array<ArrayBuffer>;
}

export interface JobBucket {
  /** The edge that the bucket belongs to: buckets of other edges have other blobs. */
  readonly edge: string;
  /** The records of layers by their keys, in order. */
  layers(
    keys: readonly string[],
    zstd: boolean,
    signal: AbortSignal,
  ): Promise<readonly KnownLayer[]>;
  /** Whether the bucket has the blob. */
  has(blob: Upload, signal: AbortSignal): Promise<boolean>;
  /**
   * Stores a blob. The bytes of a file are hashed again, and an upload of wrong bytes is not
   * completed. Throws an UnfitError when the blob is too large.
   */
  put(blob: Blob, signal: AbortSignal): Promise<void>;
  /** The bytes of a layer plan; null when there is none. */
  plan(digest: Digest, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** How an origin stores blobs; jobs share it. */
export interface Storage {
  /** The bucket for one job. `requests`: the job's requests to its edge. */
  of(requests: JobRequests): JobBucket;
  /** Closes all connections. */
  close(): void;
}
