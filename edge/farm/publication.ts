/**
 * From an origin's results to records in the bucket: nothing is written, and nobody is told, before
 * every blob that they name is there.
 */
import pLimit from "p-limit";
import { findBlob } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { Failure, Item, PackageItem, Result } from "../contract/messages.ts";
import {
  indexRecord,
  levelRecord,
  packageRecord,
  readRecord,
  writeRecord,
  writeTag,
} from "../store/records.ts";
import { blobsOf, checkLayers, checkResults, InvalidResult } from "./check.ts";
import { BUCKET_CONCURRENCY } from "./limits.ts";

export class Publication {
  readonly #bucket: Bucket;
  constructor(bucket: Bucket) {
    this.#bucket = bucket;
  }

  /**
   * Checks the results of a job's items against these and the bucket, writes what they say, and
   * returns what the bucket holds now: what everybody else sees too. Throws InvalidResult when a
   * result cannot be trusted (nothing has been written then), and any other error when the bucket
   * does not answer. Running it twice, or for two origins at once, writes the same things.
   */
  async store(items: readonly Item[], results: readonly Result[]): Promise<Result[]> {
    checkResults(items, results);
    await this.#checkBlobs(blobsOf(results));
    const limit = pLimit(BUCKET_CONCURRENCY);
    const pairs = items.flatMap((item, at) => {
      const result = results[at];
      return result === undefined ? [] : [{ item, result }];
    });
    await Promise.all(
      pairs.map(({ item, result }) => limit(() => this.#checkLevel(item, result, results))),
    );
    return Promise.all(pairs.map(({ item, result }) => limit(() => this.#write(item, result))));
  }

  async #checkBlobs(blobs: ReadonlyMap<Digest, number>): Promise<void> {
    const limit = pLimit(BUCKET_CONCURRENCY);
    const check = async (digest: Digest, size: number): Promise<void> => {
      const found = await findBlob(this.#bucket, digest);
      if (found === null) throw new InvalidResult(`the blob ${digest} is not in the bucket`);
      if (found.size !== size)
        throw new InvalidResult(
          `the blob ${digest} has ${found.size} bytes in the bucket, not ${size}`,
        );
    };
    await Promise.all([...blobs].map(([digest, size]) => limit(() => check(digest, size))));
  }

  /**
   * The layers of one more level must be those that the package's own record announced, in the
   * bucket or beside it.
   */
  async #checkLevel(item: Item, result: Result, results: readonly Result[]): Promise<void> {
    if (item.kind !== "package" || result.kind !== "level") return;
    const beside = results.find((other) => isRecordOf(item, other));
    const record =
      (await readRecord(this.#bucket, packageRecord(item, item.name))) ?? beside?.record;
    if (record === undefined)
      throw new InvalidResult(`there is no record of ${item.name} that a level could belong to`);
    checkLayers(record, result.record.level, result.record.layers);
  }

  async #write(item: Item, result: Result): Promise<Result> {
    if (result.kind === "failure")
      return { kind: "failure", failure: await this.#withoutLostLog(result.failure) };
    if (item.kind === "tag") {
      if (result.kind === "revision")
        await writeTag(this.#bucket, item.packageSet, item.tag, result.revision);
    } else if (item.kind === "index") {
      if (result.kind === "index")
        return {
          kind: "index",
          record: await writeRecord(this.#bucket, indexRecord(item, item.path), result.record),
        };
    } else if (result.kind === "package") {
      const place = packageRecord(item, item.name);
      return { kind: "package", record: await writeRecord(this.#bucket, place, result.record) };
    } else if (result.kind === "level") {
      const place = levelRecord(item, item.name, result.record.level);
      return { kind: "level", record: await writeRecord(this.#bucket, place, result.record) };
    }
    return result;
  }

  /** A log that is not in the bucket is left out: the failure is worth telling all the same. */
  async #withoutLostLog(failure: Failure): Promise<Failure> {
    const { logBlob, ...rest } = failure;
    if (logBlob === undefined) return rest;
    const found = await this.#bucket.head(blobPath(logBlob.digest));
    return found?.size === logBlob.size ? failure : rest;
  }
}

const isRecordOf = (
  { name }: PackageItem,
  result: Result,
): result is Extract<Result, { kind: "package" }> =>
  result.kind === "package" && result.record.name === name;
