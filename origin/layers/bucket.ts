/**
 * The origin's view of the bucket: an S3 endpoint. Every operation tries again on what may pass, and
 * fails with a BucketError that says where.
 */
import { createHash } from "node:crypto";
import { read } from "node:fs";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";
import {
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import pLimit from "p-limit";
import pRetry from "p-retry";
import type { Digest } from "../../edge/contract/digest.ts";
import { blobPath } from "../../edge/contract/keys.ts";
import { s3Client } from "./s3-client.ts";

export interface BucketAccess {
  /** URL of the S3 endpoint, without the bucket. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A blob's content: in a file, or in memory. */
export interface Blob {
  readonly digest: Digest;
  readonly size: number;
  readonly content: { readonly fd: number } | Uint8Array<ArrayBuffer>;
  readonly contentType: string;
}

/** The bucket refused, or could not be reached for as long as we try. */
export class BucketError extends Error {
  override name = "BucketError";
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;

  constructor(operation: string, { endpoint, bucket }: BucketAccess, key: string, cause: unknown) {
    const status = cause instanceof S3ServiceException ? cause.$metadata.httpStatusCode : undefined;
    const code = (cause as NodeJS.ErrnoException).code;
    const why =
      status === undefined
        ? `no answer (${[code, (cause as Error).message].filter(Boolean).join(": ")})`
        : `status ${status} (${(cause as Error).name})`;
    super(`${operation} ${key} in bucket ${bucket} at ${endpoint}: ${why}`, { cause });
    this.status = status;
  }
}

/** A blob's file that does not hold what was written to it. */
class DamagedError extends Error {
  override name = "DamagedError";
}

export interface BucketOptions {
  /** How long one operation is tried again, milliseconds. */
  readonly retryMs: number;
  /** Blobs above so many bytes go in parts of that size. */
  readonly partBytes: number;
  readonly onRetry: (error: BucketError) => void;
}

/** Limits of the wait for a connection and for an answer on it, milliseconds. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;
/**
 * Attempts of the SDK at one request, within a second: a part that fails is sent again alone. A
 * longer trouble of the bucket is `retryMs`' matter.
 */
const SDK_ATTEMPTS = 3;
/** First and longest wait between attempts, milliseconds; each is doubled, by chance up to twice. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 10_000;
/** Requests at once; the SDK keeps 50 sockets, and complains of more requests than that. */
const REQUESTS_AT_ONCE = 40;
/** Up to here a file waits for no other: many small ones wait for the bucket's answers together. */
const SMALL_BYTES = 2 ** 20;
/** Larger files sent at once, and parts of one: with the size of a part they bound the memory. */
const FILES_AT_ONCE = 4;
const PARTS_AT_ONCE = 2;
/** Most parts of one upload (S3 takes 10,000). */
const MAX_PARTS = 9_000;
/** Bytes of a file read at once while it is sent. */
const READ_BYTES = 2 ** 20;
/** Statuses that pass, besides all from 500 on: timeouts, writes at once, too many requests. */
const PASSING = new Set([408, 409, 425, 429]);
const ignore = (): void => undefined;

export class OriginBucket {
  readonly #client: S3Client;
  readonly #access: BucketAccess;
  readonly #options: BucketOptions;
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #files = pLimit(FILES_AT_ONCE);

  constructor(access: BucketAccess, options: BucketOptions) {
    this.#access = access;
    this.#options = options;
    this.#client = s3Client(access, {
      maxAttempts: SDK_ATTEMPTS,
      // It would tell the console of every attempt.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      expectContinueHeader: false,
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    });
  }

  /** Bytes of the object, or null when it is not there. */
  size(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#try("HEAD", key, signal, async (target) => {
      const head = this.#client.send(new HeadObjectCommand(target), { abortSignal: signal });
      return (await orNull(head))?.ContentLength ?? null;
    });
  }

  get(key: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#try("GET", key, signal, async (target) => {
      const get = this.#client.send(new GetObjectCommand(target), { abortSignal: signal });
      const found = await orNull(get);
      return found === null
        ? null
        : new Uint8Array((await found.Body?.transformToByteArray()) ?? []);
    });
  }

  /** Writes a small object unless there is one; false when there is. */
  putIfAbsent(
    key: string,
    text: string,
    ContentType: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    return this.#try("PUT", key, signal, async (target) => {
      const put = new PutObjectCommand({ ...target, Body: text, ContentType, IfNoneMatch: "*" });
      try {
        await this.#client.send(put, { abortSignal: signal });
        return true;
      } catch (error) {
        if (statusOf(error) === 412) return false;
        throw error;
      }
    });
  }

  /**
   * Writes a blob, in parts when it is large. The bytes of a file are hashed again on the way: what
   * is not the blob is not sent, or not completed.
   */
  putBlob(blob: Blob, signal: AbortSignal): Promise<void> {
    const { content, digest, size, contentType: ContentType } = blob;
    const put = (read: () => Promise<Uint8Array> | Uint8Array) =>
      this.#try("PUT", blobPath(digest), signal, async (target) => {
        const command = new PutObjectCommand({ ...target, ContentType, Body: await read() });
        await this.#client.send(command, { abortSignal: signal });
      });
    if (content instanceof Uint8Array) return put(() => content);
    const bytes = (): AsyncGenerator<Buffer> => checked(blob, content.fd, signal);
    if (size <= SMALL_BYTES) return put(() => buffer(bytes()));
    return this.#files(async () => {
      if (size <= this.#options.partBytes) return put(() => buffer(bytes()));
      return this.#try("PUT", blobPath(digest), signal, (target) =>
        this.#putParts({ ...target, ContentType }, size, bytes()),
      );
    });
  }

  close(): void {
    this.#client.destroy();
  }

  /**
   * Not by Upload's own abort, which returns while parts are still read from the file: when the
   * signal aborts, the body fails, the upload with it, and its parts are deleted. A lifecycle rule
   * of the bucket clears what this cannot.
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
    const wrapped = async (): Promise<T> => {
      try {
        return await this.#requests(() => attempt({ Bucket: this.#access.bucket, Key: key }));
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof DamagedError) throw error;
        throw new BucketError(operation, this.#access, key, error);
      }
    };
    return pRetry(wrapped, {
      signal,
      retries: Infinity,
      maxRetryTime: this.#options.retryMs,
      minTimeout: FIRST_WAIT_MS,
      maxTimeout: MAX_WAIT_MS,
      randomize: true,
      shouldRetry: ({ error }) => {
        if (!isPassing(error)) return false;
        this.#options.onRetry(error);
        return true;
      },
    });
  }
}

const readAt = promisify(read);

/** A blob's bytes from its file. Throws a DamagedError when they are others than were written. */
async function* checked(
  { digest, size }: Blob,
  fd: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer, void, void> {
  const hash = createHash("sha256");
  for (let at = 0; at < size;) {
    signal.throwIfAborted();
    const length = Math.min(READ_BYTES, size - at);
    const room = Buffer.allocUnsafeSlow(length);
    const { bytesRead } = await readAt(fd, room, 0, length, at);
    if (bytesRead === 0) break;
    const bytes = room.subarray(0, bytesRead);
    hash.update(bytes);
    at += bytesRead;
    yield bytes;
  }
  if (`sha256:${hash.digest("hex")}` !== digest)
    throw new DamagedError(
      `the temporary file of blob ${digest} does not hold what was written to it: is the disk failing?`,
    );
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

const isPassing = (error: unknown): error is BucketError =>
  error instanceof BucketError &&
  (error.status === undefined || error.status >= 500 || PASSING.has(error.status));
