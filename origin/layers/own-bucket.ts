/**
 * The bucket by the origin's own S3 credentials. Blobs may have any size; large ones are sent in
 * parts. Every operation is repeated after errors that may pass.
 */
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { blobPath } from "../../edge/contract/keys.ts";
import type { JobRequests } from "../channel/requests.ts";
import { DamagedError, fileBytes, SMALL_BYTES } from "./blob-bytes.ts";
import type { Blob, JobBucket, Storage } from "./job-bucket.ts";
import { BucketError, patiently, type Patience } from "./patience.ts";
import { planBytes, PlanTooLarge } from "./plan-bytes.ts";
import { type BucketAccess, s3Client } from "./s3-client.ts";

export interface OwnBucketOptions extends Patience {
  /** Blobs above this size are uploaded in parts of that size. */
  readonly partBytes: number;
}

/**
 * Attempts of the SDK at one request or part, within a second. `retryMs` is for longer failures.
 */
const SDK_ATTEMPTS = 3;
/** Concurrent requests; the SDK has 50 sockets, and warns when more requests wait. */
const REQUESTS_AT_ONCE = 40;
/**
 * Large files sent concurrently, and parts of each: with the size of parts they limit the memory.
 */
const FILES_AT_ONCE = 4;
const PARTS_AT_ONCE = 2;
/** Most parts of one upload (S3 takes 10,000). */
const MAX_PARTS = 9_000;
const ignore = (): void => undefined;

/** A bucket with credentials. */
export class OwnBucket implements Storage {
  readonly #client: S3Client;
  readonly #access: BucketAccess;
  readonly #options: OwnBucketOptions;
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #files = pLimit(FILES_AT_ONCE);

  constructor(access: BucketAccess, options: OwnBucketOptions) {
    this.#access = access;
    this.#options = options;
    this.#client = s3Client(access, {
      maxAttempts: SDK_ATTEMPTS,
      // It would write every attempt to the console.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      expectContinueHeader: false,
    });
  }

  /** Throws a BucketError unless the bucket can be read: a wrong endpoint, or wrong credentials. */
  async check(signal: AbortSignal): Promise<void> {
    await this.#size(blobPath(`sha256:${"0".repeat(64)}`), signal);
  }

  of({ edge, layers }: JobRequests): JobBucket {
    return {
      edge,
      layers,
      has: async ({ digest, size }, signal) =>
        (await this.#size(blobPath(digest), signal)) === size,
      put: (blob, signal) => this.#put(blob, signal),
      plan: (digest, signal) => this.#plan(digest, signal),
    };
  }

  close(): void {
    this.#client.destroy();
  }

  /** Bytes of the object, or null when it is not there. */
  #size(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#try("HEAD", key, signal, async (target) => {
      const head = this.#client.send(new HeadObjectCommand(target), { abortSignal: signal });
      return (await orNull(head))?.ContentLength ?? null;
    });
  }

  #plan(digest: Digest, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#try("GET", blobPath(digest), signal, async (target) => {
      const get = this.#client.send(new GetObjectCommand(target), { abortSignal: signal });
      const body = (await orNull(get))?.Body;
      return body === undefined ? null : planBytes(body as Readable, blobPath(digest));
    });
  }

  #put(blob: Blob, signal: AbortSignal): Promise<void> {
    const { content, size, digest, contentType: ContentType } = blob;
    const key = blobPath(digest);
    const putWhole = (bytes: () => Promise<Uint8Array>): Promise<void> =>
      this.#try("PUT", key, signal, async (target) => {
        const command = new PutObjectCommand({ ...target, ContentType, Body: await bytes() });
        await this.#client.send(command, { abortSignal: signal });
      });
    if (content instanceof Uint8Array) return putWhole(() => Promise.resolve(content));
    const bytes = (): AsyncGenerator<Buffer> => fileBytes(blob, content.fd, signal);
    if (size <= SMALL_BYTES) return putWhole(() => buffer(bytes()));
    return this.#files(() =>
      size <= this.#options.partBytes
        ? putWhole(() => buffer(bytes()))
        : this.#try("PUT", key, signal, (target) =>
            this.#putParts({ ...target, ContentType }, size, bytes()),
          ),
    );
  }

  /**
   * When the signal aborts, `bytes` throws, so that the upload fails and its parts are deleted.
   * Upload's own abort would return while parts are still read from the file. Parts that cannot be
   * deleted are left to a lifecycle rule of the bucket.
   */
  async #putParts(
    params: { Bucket: string; Key: string; ContentType: string },
    size: number,
    bytes: AsyncGenerator<Buffer>,
  ): Promise<void> {
    const upload = new Upload({
      client: this.#client,
      params: { ...params, Body: Readable.from(bytes, { objectMode: false }) },
      partSize: Math.max(this.#options.partBytes, Math.ceil(size / MAX_PARTS)),
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done();
  }

  #try<T>(
    operation: string,
    key: string,
    signal: AbortSignal,
    attempt: (target: { Bucket: string; Key: string }) => Promise<T>,
  ): Promise<T> {
    const { bucket: Bucket, endpoint } = this.#access;
    const wrapped = async (): Promise<T> => {
      try {
        return await this.#requests(() => attempt({ Bucket, Key: key }));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DamagedError || error instanceof PlanTooLarge) throw error;
        const what = `${operation} ${key} in bucket ${Bucket} at ${endpoint}`;
        throw new BucketError(what, statusOf(error), wordOf(error), error);
      }
    };
    return patiently(wrapped, this.#options, signal);
  }
}

async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if (statusOf(error) === 404 && (error as Error).name !== "NoSuchBucket") return null;
    throw error;
  }
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

const wordOf = (error: unknown): string => {
  const { name, code, message } = error as NodeJS.ErrnoException;
  return statusOf(error) === undefined ? [code, message].filter(Boolean).join(": ") : name;
};
