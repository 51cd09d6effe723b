/** Reads objects and listings to their end. */
import { createHash } from "node:crypto";
import type { Digest } from "../contract/digest.ts";
import {
  ATTEMPT_MS,
  ATTEMPTS,
  type Bucket,
  BucketUnavailable,
  type ByteRange,
  type ListedObject,
  type StoredBody,
  type StoredObject,
  withinTime,
} from "./bucket.ts";
import { withRetries } from "./retry.ts";

export interface WholeObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
  /** As in StoredBody. */
  readonly askedAt: number | undefined;
}

/** Whether an error is about the body of an object: `get` has its own attempts. */
const isOfBody = (error: Error): boolean => !(error instanceof BucketUnavailable);

/** What reading a body takes of a bucket. */
type Readable = Pick<Bucket, "get" | "dropCopy">;

/**
 * What `read` gets out of an object's body; null when the object is absent. The object is asked for
 * again when its body breaks off or does not end in time. Throws a BucketUnavailable when that does
 * not help either.
 */
export async function readObject<T>(
  bucket: Readable,
  key: string,
  range: ByteRange | undefined,
  read: (object: StoredBody) => Promise<T>,
): Promise<T | null> {
  return patiently(bucket, key, async () => {
    const object = await bucket.get(key, range);
    return object && (await withinTime(() => read(object), ATTEMPT_MS));
  });
}

/**
 * Attempts to read a body, after the first one past any copy of it. Throws a BucketUnavailable when
 * the attempts are used up.
 */
async function patiently<T>(bucket: Readable, key: string, attempt: () => Promise<T>): Promise<T> {
  const onceMore = async (error: Error): Promise<boolean> => {
    if (!isOfBody(error)) return false;
    await bucket.dropCopy?.(key);
    return true;
  };
  try {
    return await withRetries(attempt, { attempts: ATTEMPTS, mayPass: onceMore });
  } catch (cause) {
    if (cause instanceof BucketUnavailable) throw cause;
    throw new BucketUnavailable(`reading ${key} failed`, { cause });
  }
}

/** All bytes of a body. */
export const bytesOf = async ({ body }: StoredBody): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await new Response(body).arrayBuffer());

/**
 * The object's bytes; null when it is absent or not `wanted`. A layer may have gigabytes, so
 * `wanted` is asked before the body is read.
 */
export const readWhole = (
  bucket: Bucket,
  key: string,
  wanted: (object: StoredObject) => boolean,
): Promise<WholeObject | null> =>
  readObject(bucket, key, undefined, async (object) => {
    if (wanted(object)) {
      const { contentType, askedAt } = object;
      return { bytes: await bytesOf(object), contentType, askedAt };
    }
    await object.body.cancel();
    return null;
  });

/**
 * Largest record that is read, bytes: a package record of 2,000 parts has about 300 kB.
 */
const MAX_RECORD_BYTES = 8 * 2 ** 20;

/** A record as it is stored, whatever it says. */
export interface RecordText {
  /** Null when it is too large to be a record. */
  readonly text: string | null;
  /** Bytes. */
  readonly size: number;
  /** As in StoredBody. */
  readonly askedAt: number | undefined;
}

/** The text of the record at `key`; null when there is none. Throws a BucketUnavailable. */
export const readRecordText = (bucket: Readable, key: string): Promise<RecordText | null> =>
  readObject(bucket, key, undefined, async ({ body, size, askedAt }) => {
    if (size <= MAX_RECORD_BYTES) return { text: await new Response(body).text(), size, askedAt };
    await body.cancel();
    return { text: null, size, askedAt };
  });

/** An object as its bytes say. */
export interface HashedObject {
  readonly size: number;
  readonly digest: Digest;
}

/**
 * The hash of an object's bytes; null when it is absent. A layer may have gigabytes: no piece of it
 * may take longer than ATTEMPT_MS, and all of it as long as it takes. Throws a BucketUnavailable.
 */
export const hashObject = (bucket: Readable, key: string): Promise<HashedObject | null> =>
  patiently(bucket, key, async () => {
    const object = await bucket.get(key);
    if (object === null) return null;
    const hash = createHash("sha256");
    const reader = object.body.getReader();
    try {
      for (;;) {
        const { done, value } = await withinTime(() => reader.read(), ATTEMPT_MS);
        if (done) return { size: object.size, digest: `sha256:${hash.digest("hex")}` };
        hash.update(value);
      }
    } catch (error) {
      await reader.cancel(error).catch(() => undefined);
      throw error;
    }
  });

/** Objects of one page of a listing: the most that R2 and S3 give. */
const PAGE = 1_000;

/** The objects whose keys begin with `prefix`, by key; at most `pages` pages of 1,000. */
export async function* listAll(
  bucket: Pick<Bucket, "list">,
  prefix: string,
  pages: number,
): AsyncGenerator<ListedObject> {
  for (let page = 0, after: string | undefined; page < pages; page++) {
    const { objects, more } = await bucket.list(prefix, { limit: PAGE, after });
    yield* objects;
    if (!more) return;
    after = objects.at(-1)?.key;
  }
}
