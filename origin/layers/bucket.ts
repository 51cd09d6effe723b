/**
 * The origin's view of the bucket: an S3 endpoint. Every call tries again on what may pass, and
 * fails with a BucketError that says where.
 */
import { read } from "node:fs";
import { Readable } from "node:stream";
import { promisify } from "node:util";
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
  type UploadPartCommandOutput,
} from "@aws-sdk/client-s3";
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { retry } from "./retry.ts";
import { type BucketAccess, s3Client } from "./s3-client.ts";

/** Content of a blob: bytes, or a file's. */
export type BlobSource = Uint8Array<ArrayBuffer> | { readonly fd: number; readonly size: number };

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

export interface BucketOptions {
  /** How long one operation is tried again, milliseconds. */
  readonly retryMs: number;
  /** Blobs above so many bytes go in parts. */
  readonly multipartBytes: number;
  readonly onRetry: (error: BucketError, waitMs: number) => void;
}

/**
 * A bucket that does not take a connection, milliseconds, or is silent on one: longer than any
 * takes to put a finished upload together.
 */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;
/**
 * Requests on their way at once; the SDK keeps 50 sockets, and complains of more requests than
 * that.
 */
const REQUESTS_AT_ONCE = 48;
/** Parts of one blob on their way at once. */
const PARTS_AT_ONCE = 4;
/** Bytes of a file read at once while it is sent. */
const STREAM_BYTES = 256 * 2 ** 10;
/**
 * Up to here a blob is sent without asking whether it is there: the question takes as long as the
 * answer would save, bytes.
 */
const SMALL_BYTES = 256 * 2 ** 10;
/** Smallest part, bytes (S3 asks for 5 MiB), and most parts of a blob (S3 takes 10,000). */
const MIN_PART_BYTES = 16 * 2 ** 20;
const MAX_PARTS = 9_000;
/**
 * Statuses that pass: timeouts, conflicts of writes at once, too many requests; and all from 500
 * on.
 */
const PASSING = new Set([408, 409, 425, 429]);
const ignore = (): void => undefined;
const HASH_HEADER = "x-amz-content-sha256";

export class OriginBucket {
  readonly #client: S3Client;
  readonly #access: BucketAccess;
  readonly #options: BucketOptions;
  readonly #requests = pLimit(REQUESTS_AT_ONCE);

  constructor(access: BucketAccess, options: BucketOptions) {
    this.#access = access;
    this.#options = options;
    this.#client = s3Client(access, {
      // Streams cannot be sent twice by the SDK: trying again is ours.
      maxAttempts: 1,
      // It would tell the console of every attempt; we log those that are tried again, and throw
      // the last.
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
      expectContinueHeader: false,
      requestHandler: { connectionTimeout: CONNECT_MS, socketTimeout: SILENCE_MS },
    });
  }

  /** Bytes of the object, or null when it is not there. */
  size(key: string, signal: AbortSignal): Promise<number | null> {
    return this.#try("HEAD", key, signal, () =>
      this.#orNull(
        async () =>
          (await this.#client.send(new HeadObjectCommand(this.#at(key)), { abortSignal: signal }))
            .ContentLength ?? 0,
      ),
    );
  }

  get(key: string, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#try("GET", key, signal, () =>
      this.#orNull(async () => {
        const { Body } = await this.#client.send(new GetObjectCommand(this.#at(key)), {
          abortSignal: signal,
        });
        return new Uint8Array((await Body?.transformToByteArray()) ?? []);
      }),
    );
  }

  /** Writes a small object unless there is one; false when there is. */
  putIfAbsent(
    key: string,
    text: string,
    contentType: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    return this.#try("PUT", key, signal, async () => {
      try {
        await this.#client.send(
          new PutObjectCommand({
            ...this.#at(key),
            Body: text,
            ContentType: contentType,
            IfNoneMatch: "*",
          }),
          { abortSignal: signal },
        );
        return true;
      } catch (error) {
        if (statusOf(error) === 412) return false;
        throw error;
      }
    });
  }

  /** Writes a blob whose digest is known, unless it is large and there already. */
  async putBlob(
    key: string,
    digest: Digest,
    source: BlobSource,
    contentType: string,
    signal: AbortSignal,
  ): Promise<void> {
    const size = source instanceof Uint8Array ? source.length : source.size;
    if (size > SMALL_BYTES && (await this.size(key, signal)) === size) return;
    if (size > this.#options.multipartBytes && !(source instanceof Uint8Array))
      return this.#putParts(key, source, contentType, signal);
    const send: Send<unknown> = (Body, signal) => {
      const command = new PutObjectCommand({
        ...this.#at(key),
        Body,
        ContentLength: size,
        ContentType: contentType,
      });
      // The endpoint hashes what arrives and refuses anything else (SigV4, "x-amz-content-sha256").
      command.middlewareStack.add(
        (next) => (args) => {
          (args.request as { headers: Record<string, string> }).headers[HASH_HEADER] = digest.slice(
            "sha256:".length,
          );
          return next(args);
        },
        { step: "build", name: "knownHash" },
      );
      return this.#client.send(command, { abortSignal: signal });
    };
    await this.#try("PUT", key, signal, () => withBody(source, 0, size, signal, send));
  }

  close(): void {
    this.#client.destroy();
  }

  async #putParts(
    key: string,
    source: { fd: number; size: number },
    contentType: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { UploadId } = await this.#try("POST", key, signal, () =>
      this.#client.send(
        new CreateMultipartUploadCommand({ ...this.#at(key), ContentType: contentType }),
        { abortSignal: signal },
      ),
    );
    const upload = { ...this.#at(key), UploadId };
    const partBytes = Math.max(
      MIN_PART_BYTES,
      Math.ceil(source.size / MAX_PARTS / 2 ** 20) * 2 ** 20,
    );
    const stop = new AbortController();
    const either = AbortSignal.any([signal, stop.signal]);
    const limit = pLimit(PARTS_AT_ONCE);
    const sending = Array.from({ length: Math.ceil(source.size / partBytes) }, (_, index) =>
      limit(async () => {
        const start = index * partBytes;
        const length = Math.min(partBytes, source.size - start);
        const PartNumber = index + 1;
        const send: Send<UploadPartCommandOutput> = (Body, signal) =>
          this.#client.send(
            new UploadPartCommand({ ...upload, PartNumber, Body, ContentLength: length }),
            { abortSignal: signal },
          );
        const { ETag } = await this.#try(`PUT part ${PartNumber} of`, key, either, () =>
          withBody(source, start, length, either, send),
        );
        return { PartNumber, ETag };
      }),
    );
    try {
      const Parts = await Promise.all(sending);
      await this.#try("POST", key, signal, () =>
        this.#client.send(
          new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }),
          { abortSignal: signal },
        ),
      );
    } catch (error) {
      stop.abort(error);
      await Promise.allSettled(sending);
      // Not with the caller's signal: the parts must go even when nobody waits. A lifecycle rule of
      // the bucket clears what this cannot.
      await this.#client
        .send(new AbortMultipartUploadCommand(upload), { abortSignal: AbortSignal.timeout(10_000) })
        .catch(() => undefined);
      throw error;
    }
  }

  #at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#access.bucket, Key: key };
  }

  async #orNull<T>(read: () => Promise<T>): Promise<T | null> {
    try {
      return await read();
    } catch (error) {
      if (statusOf(error) === 404 && (error as Error).name !== "NoSuchBucket") return null;
      throw error;
    }
  }

  #try<T>(
    operation: string,
    key: string,
    signal: AbortSignal,
    attempt: () => Promise<T>,
  ): Promise<T> {
    const wrapped = async (): Promise<T> => {
      try {
        return await this.#requests(attempt);
      } catch (error) {
        signal.throwIfAborted();
        throw new BucketError(operation, this.#access, key, error);
      }
    };
    return retry(wrapped, {
      signal,
      forMs: this.#options.retryMs,
      isPassing,
      onRetry: (error, waitMs) => this.#options.onRetry(error as BucketError, waitMs),
    });
  }
}

const readAt = promisify(read);

type Send<T> = (body: Uint8Array | Readable, signal: AbortSignal) => Promise<T>;

/**
 * Sends so much of a source. When this returns or throws, nothing reads the source's file any more:
 * its owner may close it.
 */
async function withBody<T>(
  source: BlobSource,
  start: number,
  length: number,
  signal: AbortSignal,
  send: Send<T>,
): Promise<T> {
  if (source instanceof Uint8Array) return send(source, signal);
  // Not fs.createReadStream: whoever destroys that closes the descriptor, which is not its own.
  const body = Readable.from(fileSlice(source.fd, start, length), { objectMode: false });
  const closed = new Promise<void>((resolve) => body.once("close", resolve));
  // The SDK would wait forever for the rest of a body that cannot be read.
  const unreadable = new AbortController();
  body.on("error", (error) => unreadable.abort(error));
  try {
    return await send(body, AbortSignal.any([signal, unreadable.signal]));
  } catch (error) {
    unreadable.signal.throwIfAborted();
    throw error;
  } finally {
    body.destroy();
    await closed;
  }
}

async function* fileSlice(
  fd: number,
  start: number,
  length: number,
): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; at < length;) {
    const { bytesRead, buffer } = await readAt(
      fd,
      Buffer.allocUnsafeSlow(Math.min(STREAM_BYTES, length - at)),
      0,
      Math.min(STREAM_BYTES, length - at),
      start + at,
    );
    if (bytesRead === 0) throw new Error(`a blob's file ended ${length - at} bytes early`);
    at += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

const statusOf = (error: unknown): number | undefined =>
  error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;

const isPassing = (error: unknown): boolean => {
  if (!(error instanceof BucketError)) return false;
  return error.status === undefined || error.status >= 500 || PASSING.has(error.status);
};
