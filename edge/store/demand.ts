/** How often packages were pulled lately, as far as the edge counts it in the bucket. */
import pLimit from "p-limit";
import { addDemand, type DemandCount, demandPrefix } from "../contract/demand.ts";
import { BUCKET_REQUESTS } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";
import { memory } from "./memory.ts";
import { demandAt, readRecord } from "./records.ts";

/** Counts that are read: a minute's pulls of one isolate each. */
const MAX_COUNTS = 60;
const DAY_MS = 86_400_000;

/** The sum of what was counted today and yesterday. */
export async function demandLately(
  bucket: Bucket,
  packageSet: string,
  now: number,
): Promise<DemandCount> {
  const days = [now, now - DAY_MS].map((at) => new Date(at).toISOString().slice(0, 10));
  const pages = await Promise.all(
    days.map((day) =>
      bucket.list(`${demandPrefix(packageSet)}${day}/`, { limit: MAX_COUNTS / days.length }),
    ),
  );
  const limit = pLimit(BUCKET_REQUESTS);
  const counts = await Promise.all(
    pages.flatMap(({ objects }) =>
      objects.map(({ key }) => limit(() => readRecord(bucket, demandAt(key)))),
    ),
  );
  return addDemand(counts.filter((each) => each !== null));
}

/** How long an isolate takes a sum as it was, milliseconds: it ranks names, and need not be exact. */
const FRESH_MS = 300_000;
const REMEMBERED_BYTES = 2 ** 20;
const ENTRY_BYTES = 60;
const remembered = memory<DemandCount>(
  REMEMBERED_BYTES,
  ({ packages }) => ENTRY_BYTES * (1 + Object.keys(packages).length),
  FRESH_MS,
);

/** The same, a few minutes old at most. */
export async function rememberedDemand(bucket: Bucket, packageSet: string): Promise<DemandCount> {
  const known = remembered.get(packageSet);
  if (known !== undefined) return known;
  const counted = await demandLately(bucket, packageSet, Date.now());
  remembered.set(packageSet, counted);
  return counted;
}
