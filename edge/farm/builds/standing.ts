/**
 * Whether what is remembered of an item still stands. An operator may withdraw a record, and
 * another origin make it anew: what is given out is what the bucket has now.
 */
import pLimit from "p-limit";
import type { Item } from "../../contract/items.ts";
import { note } from "../../log.ts";
import type { Bucket } from "../../store/bucket.ts";
import { indexRecord, levelRecord, packageRecord, readRecordNow } from "../../store/records.ts";
import { BUCKET_CONCURRENCY } from "../limits.ts";
import { type Ending, itemKey } from "./answer.ts";

/** An item, and how it is remembered to have ended. */
export interface Remembered {
  readonly item: Item;
  readonly ending: Ending;
}

/**
 * The endings as they are now, by itemKey, of those that are records; null: the bucket has no record
 * any more. While the bucket does not answer, nothing can be withdrawn either, and what is
 * remembered stands.
 */
export async function standing(
  bucket: Bucket,
  remembered: readonly Remembered[],
): Promise<ReadonlyMap<string, Ending | null>> {
  const limit = pLimit(BUCKET_CONCURRENCY);
  const found = new Map<string, Ending | null>();
  const look = async (each: Remembered): Promise<void> => {
    const now = await inBucket(bucket, each).catch((error: unknown) => {
      note("warn", "farm.storage", { item: each.item, problem: String(error) });
      return each.ending;
    });
    if (now !== undefined) found.set(itemKey(each.item), now);
  };
  await Promise.all(remembered.map((each) => limit(() => look(each))));
  return found;
}

/** The item's record; undefined when it did not end in one. */
async function inBucket(
  bucket: Bucket,
  { item, ending }: Remembered,
): Promise<Ending | null | undefined> {
  if (typeof ending === "string" || item.kind === "tag") return undefined;
  if (item.kind === "index") {
    if (ending.kind !== "index") return undefined;
    const record = await readRecordNow(bucket, indexRecord(item, item.path));
    return record && { kind: "index", record };
  }
  if (ending.kind === "package") {
    const record = await readRecordNow(bucket, packageRecord(item, item.name));
    return record && { kind: "package", record };
  }
  if (ending.kind !== "level") return undefined;
  const place = levelRecord(item, item.name, ending.record.level);
  const record = await readRecordNow(bucket, place);
  return record && { kind: "level", record };
}
