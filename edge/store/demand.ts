/** Sums the pull counts that isolates write to the bucket. */
import pLimit from "p-limit";
import { addDemand, type DemandCount, demandPrefix } from "../contract/demand.ts";
import { BUCKET_REQUESTS } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";
import { memory } from "./memory.ts";
import { dayOf, demandAt, readRecord } from "./records.ts";

/** Most count objects that are read; each holds one minute of one isolate. */
const MAX_COUNTS = 60;
const DAY_MS = 86_400_000;

/** Pulls of today and yesterday, by package. */
export async function demandLately(
  bucket: Bucket,
  packageSet: string,
  now: number,
): Promise<DemandCount> {
  const days = [now, now - DAY_MS].map(dayOf);
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

/** How long a sum is cached, milliseconds: it only ranks names, and need not be exact. */
const FRESH_MS = 300_000;
const REMEMBERED_BYTES = 2 ** 20;
const ENTRY_BYTES = 60;
const remembered = memory<DemandCount>(
  REMEMBERED_BYTES,
  ({ packages }) => ENTRY_BYTES * (1 + Object.keys(packages).length),
  FRESH_MS,
);

/** The same, up to a few minutes old. */
export async function rememberedDemand(bucket: Bucket, packageSet: string): Promise<DemandCount> {
  const known = remembered.get(packageSet);
  if (known !== undefined) return known;
  const counted = await demandLately(bucket, packageSet, Date.now());
  remembered.set(packageSet, counted);
  return counted;
}
