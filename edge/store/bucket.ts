/**
 * The edge's view of the bucket. Keys come from edge/contract/keys.ts; everything but tags/ and
 * plans/ is written once.
 */
import { withRetries } from "./retry.ts";

export interface StoredObject {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly contentType: string | undefined;
}

export interface StoredBody extends StoredObject {
  readonly body: ReadableStream<Uint8Array>;
}

/**
 * Bytes `offset` up to `offset + length`, or the last `suffix` bytes. The caller has checked them
 * against the size.
 */
export type ByteRange =
  | { readonly offset: number; readonly length: number }
  | { readonly suffix: number };

export interface Bucket {
  head(key: string): Promise<StoredObject | null>;
  get(key: string, range?: ByteRange): Promise<StoredBody | null>;
  /**
   * Writes the object, and says whether it did: with `ifAbsent`, an object that is there already
   * stays as it is. Atomic: readers see the old one, the new one, never a part.
   */
  put(
    key: string,
    data: Uint8Array<ArrayBuffer> | string,
    options: { contentType: string; ifAbsent: boolean },
  ): Promise<boolean>;
  /** Where copies are kept in front of the bucket: drops the one of this object, which is wrong. */
  dropCopy?(key: string): Promise<void>;
}

export interface WholeObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
}

/**
 * The object's bytes, or null when it is absent or not `wanted`; a layer may have gigabytes, so
 * that is decided before anything is read.
 */
export async function readWhole(
  bucket: Bucket,
  key: string,
  wanted: (object: StoredObject) => boolean,
): Promise<WholeObject | null> {
  const object = await bucket.get(key);
  if (object === null) return null;
  if (!wanted(object)) {
    await object.body.cancel();
    return null;
  }
  return {
    bytes: new Uint8Array(await new Response(object.body).arrayBuffer()),
    contentType: object.contentType,
  };
}

/**
 * Attempts for one operation: R2 and S3 services answer a small share of requests with a passing
 * error. A client waits for the answer, so it soon learns of a failure that lasts.
 */
export const ATTEMPTS = 3;

/** The bucket does not answer, or not as it should; worth another try in a few seconds. */
export class BucketUnavailable extends Error {
  override readonly name = "BucketUnavailable";
}

/**
 * One operation of a bucket, tried again while it fails. Throws a BucketUnavailable when every
 * attempt failed: an absent object is null, so a failure is never taken, or cached, for a 404.
 */
export async function bucketOperation<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  try {
    return await withRetries(attempt, { attempts: ATTEMPTS });
  } catch (cause) {
    throw new BucketUnavailable(`${what} failed`, { cause });
  }
}
