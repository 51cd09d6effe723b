/**
 * From an origin's result to records in the bucket: nothing is written, and nobody is told, before
 * every blob that it names is there.
 */
import pLimit from "p-limit";
import type { Bucket } from "../store/bucket.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { PackageRecord } from "../contract/records.ts";
import { levelRecord, packageRecord, readRecord, writeRecord, writeTag } from "../store/records.ts";
import { blobsOf, checkLayers, checkResult, itemKey, outcomeKey, Untrue } from "./check.ts";
import { BUCKET_CONCURRENCY, MAX_KNOWN_BLOBS } from "./limits.ts";
import { type Fate, piecesOf } from "./pieces.ts";
import type { Failure, Outcome, PublishJob, Result, Work } from "../contract/messages.ts";

export class Publication {
  readonly #bucket: Bucket;
  /**
   * Blobs found in the bucket before, with their sizes: blobs are never deleted while a record
   * names them. Bounded, oldest out first.
   */
  readonly #known = new Map<Digest, number>();

  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /**
   * Checks a result against its job and the bucket, writes what it says, and returns the fate of
   * every piece of the job. Throws Untrue when the result cannot be trusted; nothing has been
   * written then. Running it twice, or for two origins at once, writes the same things.
   */
  async publish(work: Work, result: Result): Promise<Map<string, Fate>> {
    checkResult(work, result);
    if (work.kind === "resolve") {
      if (result.kind !== "resolved") throw new Untrue("not a revision");
      await writeTag(this.#bucket, work.packageSet, work.tag, result.revision);
      return new Map(piecesOf(work).map(({ key }) => [key, result]));
    }
    const outcomes = result.kind === "published" ? result.outcomes : [];
    await this.#checkBlobs(blobsOf(result));
    const limit = pLimit(BUCKET_CONCURRENCY);
    const fresh = new Map(
      outcomes.flatMap((outcome) =>
        outcome.kind === "package" ? [[outcome.name, outcome.record] as const] : [],
      ),
    );
    await Promise.all(
      outcomes.map((outcome) => limit(() => this.#checkLevel(work, outcome, fresh))),
    );
    const written = await Promise.all(
      outcomes.map((outcome) => limit(() => this.#write(work, outcome))),
    );
    const byItem = new Map(written.map((outcome) => [outcomeKey(outcome), outcome]));
    return new Map(
      piecesOf(work).flatMap(({ key, item }) => {
        const outcome = item && byItem.get(itemKey(item.name, item.level));
        return outcome === undefined ? [] : [[key, outcome] as const];
      }),
    );
  }

  /**
   * A failure without its log when the log is not in the bucket: the log is a kindness, its failure
   * is news all the same.
   */
  async failure(failure: Failure): Promise<Failure> {
    const { logBlob, ...rest } = failure;
    if (
      logBlob === undefined ||
      (await this.#bucket.head(blobPath(logBlob.digest)))?.size === logBlob.size
    )
      return failure;
    return rest;
  }

  async #checkBlobs(blobs: ReadonlyMap<Digest, number>): Promise<void> {
    const limit = pLimit(BUCKET_CONCURRENCY);
    const unseen = [...blobs].filter(([digest, size]) => this.#known.get(digest) !== size);
    await Promise.all(
      unseen.map(([digest, size]) =>
        limit(async () => {
          const found = await this.#bucket.head(blobPath(digest));
          if (found === null) throw new Untrue(`the blob ${digest} is not in the bucket`);
          if (found.size !== size)
            throw new Untrue(
              `the blob ${digest} has ${found.size} bytes in the bucket, not ${size}`,
            );
          this.#known.set(digest, size);
        }),
      ),
    );
    for (const digest of this.#known.keys()) {
      if (this.#known.size <= MAX_KNOWN_BLOBS) break;
      this.#known.delete(digest);
    }
  }

  /** The layers of one more level must be those that the package's own record announced. */
  async #checkLevel(
    work: PublishJob,
    outcome: Outcome,
    fresh: ReadonlyMap<string, PackageRecord>,
  ): Promise<void> {
    if (outcome.kind !== "level") return;
    const record =
      (await readRecord(this.#bucket, packageRecord(work, outcome.name))) ??
      fresh.get(outcome.name);
    if (record === undefined)
      throw new Untrue(`there is no record of ${outcome.name} that a level could belong to`);
    checkLayers(record, outcome.record.level, outcome.record.layers);
  }

  /**
   * Writes a record unless there is one, and returns what the bucket holds now: what everybody else
   * sees too.
   */
  async #write(work: PublishJob, outcome: Outcome): Promise<Outcome> {
    if (outcome.kind === "failure") return outcome;
    const { name } = outcome;
    if (outcome.kind === "package")
      return {
        ...outcome,
        record: await writeRecord(this.#bucket, packageRecord(work, name), outcome.record),
      };
    const place = levelRecord(work, name, outcome.record.level);
    return { ...outcome, record: await writeRecord(this.#bucket, place, outcome.record) };
  }
}
