/**
 * The bucket without credentials: the edge looks up objects in it, and signs what the origin stores
 * and reads. Blobs go straight to the bucket, which checks their hashes.
 */
import { buffer } from "node:stream/consumers";
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { MAX_UPLOAD_BYTES } from "../../edge/contract/bucket-requests.ts";
import type { JobRequests } from "../channel/requests.ts";
import { DamagedError, fileBytes, SMALL_BYTES } from "./blob-bytes.ts";
import { Grants } from "./grants.ts";
import type { Blob, JobBucket, Storage } from "./job-bucket.ts";
import { BucketError, patiently, type Patience } from "./patience.ts";
import { type PutAnswer, type SignedPut, SignedRequests } from "./signed-request.ts";
import { UnfitError } from "./tree.ts";

/** Concurrent requests. */
const REQUESTS_AT_ONCE = 40;
/** Larger files sent concurrently. */
const FILES_AT_ONCE = 4;
/** What a bucket answers to a signature that is too old, or wrong. */
const FORBIDDEN = 403;
/** The answer to If-None-Match when the object exists by now. */
const PRESENT = 412;

type Body = () => Promise<Uint8Array> | AsyncGenerator<Buffer>;

export class SignedBucket implements Storage {
  readonly #patience: Patience;
  readonly #http = new SignedRequests();
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #files = pLimit(FILES_AT_ONCE);

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  of(requests: JobRequests): JobBucket {
    const { edge, layers } = requests;
    const grants = new Grants(requests);
    return {
      edge,
      layers,
      has: async (blob, signal) => (await grants.ask(blob, signal)).kind === "present",
      put: (blob, signal) => this.#put(blob, grants, signal),
      plan: async (digest, signal) => this.#read(digest, requests, signal),
    };
  }

  close(): void {
    this.#http.close();
  }

  async #put(blob: Blob, grants: Grants, signal: AbortSignal): Promise<void> {
    const { content, size } = blob;
    if (size > MAX_UPLOAD_BYTES)
      throw new UnfitError(
        `a blob of it has ${size} bytes, and an upload that the edge signs at most ` +
          `${MAX_UPLOAD_BYTES}: an origin needs S3 credentials of its own for more`,
      );
    const send = (body: Body): Promise<void> => this.#send(blob, body, grants, signal);
    if (content instanceof Uint8Array) return send(() => Promise.resolve(content));
    const bytes = (): AsyncGenerator<Buffer> => fileBytes(blob, content.fd, signal);
    if (size <= SMALL_BYTES) return send(() => buffer(bytes()));
    return send(bytes);
  }

  /** Asks for the upload before it waits for its turn. */
  async #send(blob: Blob, body: Body, grants: Grants, signal: AbortSignal): Promise<void> {
    const turn = blob.size <= SMALL_BYTES ? this.#requests : this.#files;
    let grant = await grants.ask(blob, signal);
    let renewed = false;
    const attempt = async (): Promise<void> => {
      if (grant.kind === "present") return;
      const { status, code } = await this.#sendOnce(grant, body, signal);
      if (status === 200 || status === PRESENT) return;
      // It waited for too long: once more with a fresh one.
      if (status === FORBIDDEN && !renewed) {
        renewed = true;
        grant = await grants.ask(blob, signal);
        return attempt();
      }
      throw new BucketError(`PUT ${grant.url}`, status, code);
    };
    await turn(() => patiently(attempt, this.#patience, signal));
  }

  /** Throws a BucketError when there is no answer. */
  async #sendOnce(put: SignedPut, body: Body, signal: AbortSignal): Promise<PutAnswer> {
    try {
      return await this.#http.put(put, await body(), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof DamagedError) throw error;
      const { code, message } = error as NodeJS.ErrnoException;
      throw new BucketError(`PUT ${put.url}`, undefined, code ?? message, error);
    }
  }

  async #read(
    digest: Digest,
    requests: JobRequests,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const read = async (): Promise<Uint8Array<ArrayBuffer> | null> => {
      const url = await requests.url(digest, signal);
      const what = `GET ${new URL(url).pathname}`;
      const response = await fetch(url, { signal, redirect: "error" }).catch((error: Error) => {
        signal.throwIfAborted();
        throw new BucketError(what, undefined, String(error.cause ?? error.message), error);
      });
      if (response.ok) return new Uint8Array(await response.arrayBuffer());
      await response.body?.cancel();
      if (response.status === 404) return null;
      throw new BucketError(what, response.status, response.statusText);
    };
    return patiently(read, this.#patience, signal);
  }
}
