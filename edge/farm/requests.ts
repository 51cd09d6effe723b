/**
 * What origins ask for their jobs: where to store a blob, what a layer was packed to, where the
 * layer plan is. Answered only for a job that the origin holds.
 */
import pLimit from "p-limit";
import type { BucketAnswer, BucketRequest, KnownLayer } from "../contract/messages.ts";
import type { Descriptor } from "../contract/records.ts";
import { note } from "../log.ts";
import { findBlob } from "../store/blobs.ts";
import { type Bucket, BucketUnavailable } from "../store/bucket.ts";
import { layerRecord, type RecordPlace, readRecord, zstdRecord } from "../store/records.ts";
import { BUCKET_CONCURRENCY } from "./limits.ts";
import type { Origins } from "./origins.ts";
import type { Queue } from "./queue.ts";

/** Longest message of an answer (contract/messages.ts). */
const MAX_MESSAGE = 2_000;

/** A request that is not granted; the origin's operator reads why. */
export class RequestRefused extends Error {
  override readonly name = "RequestRefused";
}

export interface RequestsParts {
  readonly queue: Queue;
  readonly origins: Origins;
  readonly bucket: Bucket;
}

export class Requests {
  readonly #with: RequestsParts;

  constructor(parts: RequestsParts) {
    this.#with = parts;
  }

  /** Answers on the origin's connection. */
  async take(name: string, request: BucketRequest): Promise<void> {
    const { id, job } = request;
    const answer = await this.#answer(name, request).catch((error: unknown): BucketAnswer => {
      const message = error instanceof Error ? error.message : String(error);
      note("warn", "origin.request", { origin: name, job, request: request.type, message });
      const passing = error instanceof BucketUnavailable;
      return { type: "error", id, message: message.slice(0, MAX_MESSAGE), passing };
    });
    this.#with.origins.send(name, answer);
  }

  async #answer(name: string, request: BucketRequest): Promise<BucketAnswer> {
    const job = this.#with.queue.job(request.job);
    if (job?.holder?.origin !== name)
      throw new RequestRefused(`this origin does not hold the job ${request.job}`);
    const { id } = request;
    switch (request.type) {
      case "layers":
        return { type: "layers", id, layers: await this.#layers(request.keys, request.zstd) };
      case "upload":
      case "read":
        throw new RequestRefused("this edge signs no uploads yet");
    }
  }

  #layers(keys: readonly string[], zstd: boolean): Promise<KnownLayer[]> {
    const limit = pLimit(BUCKET_CONCURRENCY);
    const look = <T extends Descriptor>(place: RecordPlace<T>) =>
      limit(async () => {
        const record = await readRecord(this.#with.bucket, place);
        if (record === null) return undefined;
        const found = await findBlob(this.#with.bucket, record.digest);
        return { record, present: found?.size === record.size };
      });
    return Promise.all(
      keys.map(async (key): Promise<KnownLayer> => {
        const known = await Promise.all([
          look(layerRecord(key)),
          zstd ? look(zstdRecord(key)) : undefined,
        ]);
        return { ...(known[0] && { gzip: known[0] }), ...(known[1] && { zstd: known[1] }) };
      }),
    );
  }
}
