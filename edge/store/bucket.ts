/**
 * The bucket as the edge uses it, whatever provides it (r2.ts, s3.ts). Keys are defined in
 * edge/contract/keys.ts. Objects are written once, except those below tags/ and plans/.
 */
import { withRetries } from "./retry.ts";

export interface StoredObject {
  /** Bytes of the whole object. */
  readonly size: number;
  readonly contentType: string | undefined;
}

export interface StoredBody extends StoredObject {
  readonly body: ReadableStream<Uint8Array>;
  /** When this comes from a cache: when it was read from the bucket, milliseconds since 1970. */
  readonly askedAt?: number;
}

/** One object of a listing. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  /** When it was written, milliseconds since 1970. */
  readonly writtenAt: number;
}

/** One page of a listing, ordered by key. */
export interface ListedPage {
  readonly objects: readonly ListedObject[];
  /** Whether there are more after these. */
  readonly more: boolean;
}

/** Lets work continue after the response was sent, so that no client waits for it. */
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
   * Writes the object; false when `ifAbsent` is set and there is one already. Atomic: a reader gets
   * the old object or the new one, never a part.
   */
  put(
    key: string,
    data: Uint8Array<ArrayBuffer> | string,
    options: { contentType: string; ifAbsent: boolean },
  ): Promise<boolean>;
  /**
   * Objects whose keys begin with `prefix` and are greater than `after`, ordered by key. `limit` is
   * at most 1,000.
   */
  list(prefix: string, page: { limit: number; after?: string | undefined }): Promise<ListedPage>;
  /** Deletes the object. A missing object is no error. */
  delete(key: string): Promise<void>;
  /**
   * Protects these objects from garbage collection (claims.ts), and returns those that it deleted
   * lately. Undefined where nothing is collected.
   */
  readonly claim?: (keys: readonly string[]) => Promise<readonly string[]>;
  /** `waitUntil` of the request that is being answered. */
  readonly background?: WaitUntil;
  /**
   * With copies of the bucket's objects nearer to the client (cache.ts, replica.ts): drops that of
   * this object, which is wrong. The bucket itself is asked for it from then on.
   */
  dropCopy?(key: string): Promise<void>;
}

/**
 * Attempts for one operation: R2 and S3 services fail a small share of requests with errors that
 * pass. No more than three, since a client waits.
 */
export const ATTEMPTS = 3;

/** The bucket does not answer, or answers with errors. Another try in a few seconds may succeed. */
export class BucketUnavailable extends Error {
  override readonly name = "BucketUnavailable";
}

/** The bucket refuses a request: it is full, a quota is used up, or the credentials are wrong. */
export class BucketRefused extends Error {
  override readonly name = "BucketRefused";
}

/** Whether the cause of an error is that the bucket refuses, which does not pass by itself. */
export const isRefused = (error: unknown): boolean =>
  error instanceof Error && (error instanceof BucketRefused || isRefused(error.cause));

/**
 * Timeout of one attempt, milliseconds. The edge itself reads and writes objects of a few MB at
 * most, which takes tens of milliseconds; of what it only passes on, this is the time until the
 * first byte.
 */
export const ATTEMPT_MS = 10_000;

/**
 * Runs one operation of a bucket, with a timeout (`signal`) and retries. Throws a BucketUnavailable
 * when every attempt failed; an absent object is null instead, so a failure is never taken, or
 * cached, as a 404.
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

/**
 * One attempt, with its timeout. A call to a binding cannot be aborted, so the timeout runs beside
 * it.
 */
export async function withinTime<T>(
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
