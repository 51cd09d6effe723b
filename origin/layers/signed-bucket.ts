/**
 * The bucket without credentials: the edge looks up objects, and signs the origin's requests. Blobs
 * go directly to the bucket, which checks their hashes.
 */
import { buffer } from "node:stream/consumers";
import pLimit from "p-limit";
import type { Digest } from "../../edge/contract/digest.ts";
import { blobPath } from "../../edge/contract/keys.ts";
import { MAX_UPLOAD_BYTES } from "../../edge/contract/bucket-requests.ts";
import { DestinationRefused } from "../channel/destinations.ts";
import type { JobRequests } from "../channel/requests.ts";
import { SignedRequests } from "../channel/signed-requests.ts";
import { DamagedError, fileBytes, SMALL_BYTES } from "./blob-bytes.ts";
import { Grants } from "./grants.ts";
import type { Blob, JobBucket, Storage } from "./job-bucket.ts";
import { BucketError, patiently, type Patience } from "./patience.ts";
import { planBytes, PlanTooLarge } from "./plan-bytes.ts";
import { UnfitError } from "./tree.ts";

/** Concurrent requests. */
const REQUESTS_AT_ONCE = 40;
/** Larger files sent concurrently. */
const FILES_AT_ONCE = 4;
/** A bucket's answer to a signature that has expired or is wrong. */
const FORBIDDEN = 403;
/** The answer to If-None-Match when the object exists. */
const PRESENT = 412;

/** Errors that have their own words, and that no second attempt mends. */
const FINAL = [BucketError, DamagedError, DestinationRefused, PlanTooLarge];

interface Job {
  readonly requests: JobRequests;
  readonly grants: Grants;
  readonly http: SignedRequests;
}

type Bytes = () => Promise<Uint8Array> | AsyncGenerator<Buffer>;

/** A bucket by requests that the edge signs. */
export class SignedBucket implements Storage {
  readonly #patience: Patience;
  /** By edge: each may send this origin elsewhere. */
  readonly #http = new Map<string, SignedRequests>();
  readonly #requests = pLimit(REQUESTS_AT_ONCE);
  readonly #files = pLimit(FILES_AT_ONCE);

  constructor(patience: Patience) {
    this.#patience = patience;
  }

  of(requests: JobRequests): JobBucket {
    const { edge, layers } = requests;
    const job = { requests, grants: new Grants(requests), http: this.#httpOf(requests) };
    return {
      edge,
      layers,
      has: async (blob, signal) => (await job.grants.ask(blob, signal)).kind === "present",
      put: (blob, signal) => this.#put(blob, job, signal),
      plan: (digest, signal) => this.#readPlan(digest, job, signal),
    };
  }

  close(): void {
    for (const http of this.#http.values()) http.close();
  }

  #httpOf({ edge, destinations }: JobRequests): SignedRequests {
    const known = this.#http.get(edge);
    if (known !== undefined) return known;
    const http = new SignedRequests(destinations);
    this.#http.set(edge, http);
    return http;
  }

  async #put(blob: Blob, job: Job, signal: AbortSignal): Promise<void> {
    const { content, size } = blob;
    if (size > MAX_UPLOAD_BYTES)
      throw new UnfitError(
        `a blob of it has ${size} bytes, and an upload that the edge signs at most ` +
          `${MAX_UPLOAD_BYTES}: an origin needs S3 credentials of its own for more`,
      );
    const send = (bytes: Bytes): Promise<void> => this.#send(blob, bytes, job, signal);
    if (content instanceof Uint8Array) return send(() => Promise.resolve(content));
    const bytes = (): AsyncGenerator<Buffer> => fileBytes(blob, content.fd, signal);
    if (size <= SMALL_BYTES) return send(() => buffer(bytes()));
    return send(bytes);
  }

  /** Asks for the upload before it waits for its turn. */
  async #send(blob: Blob, bytes: Bytes, job: Job, signal: AbortSignal): Promise<void> {
    const { grants, http } = job;
    const turn = blob.size <= SMALL_BYTES ? this.#requests : this.#files;
    let grant = await grants.ask(blob, signal);
    let renewed = false;
    const attempt = async (): Promise<void> => {
      const put = grant;
      if (put.kind === "present") return;
      const { status, code } = await once(signal, `PUT ${put.url}`, async () =>
        http.put(put, { size: blob.size, bytes: await bytes() }, signal),
      );
      if (status === 200 || status === PRESENT) return;
      // The signature has expired in the queue: another attempt with a new one.
      if (status === FORBIDDEN && !renewed) {
        renewed = true;
        grant = await grants.ask(blob, signal);
        return attempt();
      }
      throw new BucketError(`PUT ${put.url}`, status, code);
    };
    await turn(() => patiently(attempt, this.#patience, signal));
  }

  async #readPlan(
    digest: Digest,
    { requests, http }: Job,
    signal: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer> | null> {
    const read = async (): Promise<Uint8Array<ArrayBuffer> | null> => {
      const url = await requests.url(digest, signal);
      const what = `GET ${URL.parse(url)?.pathname}`;
      return once(signal, what, async () => {
        const response = await http.get(url, signal);
        const { statusCode: status = 0, statusMessage = "" } = response;
        if (status === 200) return await planBytes(response, blobPath(digest));
        response.destroy();
        if (status === 404) return null;
        throw new BucketError(what, status, statusMessage);
      });
    };
    return patiently(read, this.#patience, signal);
  }
}

/** What the network throws is a BucketError without a status: there was no answer to `what`. */
async function once<T>(signal: AbortSignal, what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    signal.throwIfAborted();
    if (FINAL.some((type) => error instanceof type)) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new BucketError(what, undefined, code ?? message, error);
  }
}
