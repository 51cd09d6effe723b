/**
 * Answers requests of origins about the bucket: signed URLs to store blobs and to read the layer
 * plan, and the records of layers. Only for a job that the origin holds.
 */
import pLimit from "p-limit";
import type { Config } from "../../config.ts";
import type { Digest } from "../../contract/digest.ts";
import { blobPath } from "../../contract/keys.ts";
import type {
  BucketAnswer,
  BucketRequest,
  CacheRequest,
  KnownLayer,
} from "../../contract/bucket-requests.ts";
import type { Codec, LayerRecord } from "../../contract/records.ts";
import { note } from "../../log.ts";
import { forgetBlob } from "../../store/blobs.ts";
import { type Bucket, BucketUnavailable } from "../../store/bucket.ts";
import { keepBlobs } from "../../store/claims.ts";
import { presign } from "../../store/s3-signed-requests.ts";
import { layerRecord, readRecord } from "../../store/records.ts";
import { BUCKET_CONCURRENCY } from "../limits.ts";
import type { BinaryCache } from "./binary-cache.ts";
import type { Origins } from "../origins/origins.ts";
import type { Job, Queue } from "../jobs/queue.ts";
import { isTrusted, type Trust } from "../publication/trust.ts";
import { RequestRefused, type Uploads } from "./uploads.ts";

/** Longest message of an answer (contract/messages.ts). */
const MAX_MESSAGE = 2_000;

/** How long a URL of a layer plan is valid, seconds: it is read at once. */
const READ_SECONDS = 300;

export interface RequestsParts {
  readonly queue: Queue;
  readonly origins: Origins;
  readonly bucket: Bucket;
  readonly uploads: Uploads;
  readonly cache: BinaryCache;
  readonly trust: Trust;
  readonly config: () => Promise<Pick<Config, "s3" | "uploadsPerDay" | "binaryCache">>;
}

export class Requests {
  readonly #with: RequestsParts;
  /** Shared by all requests: a job of many layers sends hundreds at once. */
  readonly #limit = pLimit(BUCKET_CONCURRENCY);

  constructor(parts: RequestsParts) {
    this.#with = parts;
  }

  /** Answers on the origin's connection. */
  async take(name: string, request: BucketRequest | CacheRequest): Promise<void> {
    const { id } = request;
    const job = "job" in request ? request.job : undefined;
    const answer = await this.#answer(name, request).catch((error: unknown): BucketAnswer => {
      const message = error instanceof Error ? error.message : String(error);
      note("warn", "origin.request", { origin: name, job, request: request.type, message });
      const passing = error instanceof BucketUnavailable;
      return { type: "error", id, message: message.slice(0, MAX_MESSAGE), passing };
    });
    this.#with.origins.send(name, answer);
  }

  async #answer(name: string, request: BucketRequest | CacheRequest): Promise<BucketAnswer> {
    if (!("job" in request)) return this.#cached(name, request);
    const job = this.#with.queue.job(request.job);
    if (job?.origin !== name || !job.isHeld)
      throw new RequestRefused(`this origin does not hold the job ${request.job}`);
    const { id } = request;
    const { config, uploads } = this.#with;
    switch (request.type) {
      case "layers":
        return { type: "layers", id, layers: await this.#layers(request.keys, request.zstd) };
      case "upload": {
        const terms = { ...(await config()), origin: name, job: job.id };
        return { type: "uploads", id, grants: await uploads.grant(request.blobs, terms) };
      }
      case "read":
        return { type: "url", id, url: await this.#planUrl(job, request.digest) };
    }
  }

  async #cached(origin: string, request: CacheRequest): Promise<BucketAnswer> {
    const { id } = request;
    const { cache, config } = this.#with;
    const terms = { ...(await config()), origin };
    return request.type === "cache-store"
      ? { type: "uploads", id, grants: [await cache.store(request.file, terms)] }
      : { type: "url", id, url: await cache.url(request.key, terms) };
  }

  /** The layer plan of its job is the only thing that an origin may read from the bucket. */
  async #planUrl({ items }: Job, digest: Digest): Promise<string> {
    const { s3 } = await this.#with.config();
    if (s3 === null) throw new RequestRefused("this edge has no credentials to sign with");
    if (!items.some((item) => item.kind === "package" && `sha256:${item.plan}` === digest))
      throw new RequestRefused(`${digest} is not the layer plan of this job`);
    return presign(s3, blobPath(digest), READ_SECONDS);
  }

  /** Public keys of the origins that signed the record, so that the asking origin can verify it. */
  #keysOf({ signed }: LayerRecord): Record<string, string> {
    const { keyOf } = this.#with.trust;
    return Object.fromEntries(
      signed.flatMap(({ origin }) => {
        const key = keyOf(origin);
        return key === undefined ? [] : [[origin, key]];
      }),
    );
  }

  async #layers(keys: readonly string[], zstd: boolean): Promise<KnownLayer[]> {
    const { bucket } = this.#with;
    const codecs: readonly Codec[] = zstd ? ["gzip", "zstd"] : ["gzip"];
    const records = await Promise.all(
      keys.flatMap((key) =>
        codecs.map((codec) => this.#limit(() => readRecord(bucket, layerRecord(key, codec)))),
      ),
    );
    // Blobs that an origin is told to be present must not be collected before its job is done.
    await keepBlobs(
      bucket,
      records.flatMap((record) => record?.digest ?? []),
    );
    const look = (key: string, codec: Codec) =>
      this.#limit(async () => {
        const record = await readRecord(bucket, layerRecord(key, codec));
        if (record === null || !(await isTrusted(record, this.#with.trust))) return undefined;
        // Asked of the bucket, not of memory, so that a deleted blob is made again.
        const found = await bucket.head(blobPath(record.digest));
        const present = found?.size === record.size;
        // Otherwise publication would find it in memory and leave the record in force.
        if (!present) forgetBlob(record.digest);
        return { record, present, keys: this.#keysOf(record) };
      });
    return Promise.all(
      keys.map(async (key): Promise<KnownLayer> => {
        const known = await Promise.all([look(key, "gzip"), zstd ? look(key, "zstd") : undefined]);
        return { ...(known[0] && { gzip: known[0] }), ...(known[1] && { zstd: known[1] }) };
      }),
    );
  }
}
