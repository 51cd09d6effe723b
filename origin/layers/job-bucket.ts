/** The bucket as a job may use it. */
import type { Digest } from "../../edge/contract/digest.ts";
import type { KnownLayer, Upload } from "../../edge/contract/bucket-requests.ts";
import type { JobRequests } from "../channel/requests.ts";

/** A blob to be stored: its content is in a file, or in memory. */
export interface Blob extends Upload {
  readonly content: { readonly fd: number } | Uint8Array<ArrayBuffer>;
}

export interface JobBucket {
  /** The edge whose bucket it is: another edge's may lack what this one has. */
  readonly edge: string;
  /** What the layers of these keys were packed to, in their order. */
  layers(
    keys: readonly string[],
    zstd: boolean,
    signal: AbortSignal,
  ): Promise<readonly KnownLayer[]>;
  /** Whether the bucket has the blob. */
  has(blob: Upload, signal: AbortSignal): Promise<boolean>;
  /**
   * Stores a blob. The bytes of a file are hashed again on the way: what is not the blob is not
   * sent, or not completed. Throws an UnfitError when no such upload can store it.
   */
  put(blob: Blob, signal: AbortSignal): Promise<void>;
  /** The bytes of a layer plan, null when it is not there. */
  plan(digest: Digest, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null>;
}

/** How an origin stores blobs, whichever job they are of. */
export interface Storage {
  /** `requests`: what the job may ask its edge. */
  of(requests: JobRequests): JobBucket;
  /** Ends its connections. */
  close(): void;
}
