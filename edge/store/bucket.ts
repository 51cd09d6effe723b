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
  /** Of a copy: when the bucket itself was asked, milliseconds since 1970. */
  readonly askedAt?: number;
}

/** One object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  /** When it was written, milliseconds since 1970. */
  readonly writtenAt: number;
}

/** A part of a listing, in the order of keys. */
export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** Whether there are more after these. */
  readonly more: boolean;
}

/** Lets work go on after the answer, so that no client waits for it. */
export type WaitUntil = (work: Promise<unknown>) => void;

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
  /**
   * Objects whose keys begin with `prefix` and come after `after`, in order: at most `limit`, which is
   * at most 1,000.
   */
  list(prefix: string, page: { limit: number; after?: string | undefined }): Promise<ListedPage>;
  /** Deletes the object; one that is not there is no error. */
  delete(key: string): Promise<void>;
  /**
   * Keeps garbage collection from deleting these objects (claims.ts); returns those that it deleted
   * lately. Absent where nothing is collected.
   */
  readonly claim?: (keys: readonly string[]) => Promise<readonly string[]>;
  /** Where work can go on behind the answer of a request. */
  readonly background?: WaitUntil;
  /** Where copies are kept in front of the bucket: drops the one of this object, which is wrong. */
  dropCopy?(key: string): Promise<void>;
}

export interface WholeObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
  /** As in StoredBody. */
  readonly askedAt: number | undefined;
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
    askedAt: object.askedAt,
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
 * Longest wait for one attempt, milliseconds: until an object's first byte, or until it is written.
 * The edge reads and writes whole objects of a few MB at most, in tens of milliseconds.
 */
export const ATTEMPT_MS = 10_000;

/**
 * One operation of a bucket, tried again while it fails or does not answer; `signal` aborts the
 * attempt whose time is over. Throws a BucketUnavailable when every attempt failed: an absent object
 * is null, so a failure is never taken, or cached, for a 404.
 */
export async function bucketOperation<T>(
  what: string,
  attempt: (signal: AbortSignal) => Promise<T>,
  attemptMs = ATTEMPT_MS,
): Promise<T> {
  try {
    return await withRetries(() => withinTime(attempt, attemptMs), { attempts: ATTEMPTS });
  } catch (cause) {
    throw new BucketUnavailable(`${what} failed`, { cause });
  }
}

/** A binding cannot be aborted, so the time is kept beside it. */
async function withinTime<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  attemptMs: number,
): Promise<T> {
  const controller = new AbortController();
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(new Error(`the bucket did not answer within ${attemptMs / 1_000} seconds`));
    controller.abort();
  }, attemptMs);
  try {
    return await Promise.race([attempt(controller.signal), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
