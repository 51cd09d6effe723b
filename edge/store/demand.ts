/** Sums the pull counts that isolates write to the bucket. */
import pLimit from "p-limit";
import { addDemand, type DemandCount, demandPrefix } from "../contract/demand.ts";
import { BUCKET_REQUESTS } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";
import { memory } from "./memory.ts";
import { dayOf, demandAt, readRecord } from "./records.ts";

/**
 * Count objects that are read of one day; each holds a minute of one isolate. Their names are
 * random, so the first ones are a fair sample of all.
 */
const SAMPLE = 30;
/** Count objects of one day that are listed, the most in one page; more are not estimated. */
const LISTED = 1_000;
const DAY_MS = 86_400_000;

export interface Demand extends DemandCount {
  /** Whether the numbers are estimates, by a sample of what was counted. */
  readonly sampled: boolean;
}

/** Pulls of today and yesterday, by package. */
export async function demandLately(
  bucket: Bucket,
  packageSet: string,
  now: number,
): Promise<Demand> {
  const limit = pLimit(BUCKET_REQUESTS);
  const days = await Promise.all(
    [now, now - DAY_MS].map(async (time) => {
      const prefix = `${demandPrefix(packageSet)}${dayOf(time)}/`;
      const { objects } = await bucket.list(prefix, { limit: LISTED });
      const sample = objects.slice(0, SAMPLE);
      const counts = await Promise.all(
        sample.map(({ key }) => limit(() => readRecord(bucket, demandAt(key)))),
      );
      const sum = addDemand(counts.filter((each) => each !== null));
      return {
        sum: times(sum, objects.length / sample.length),
        all: sample.length === objects.length,
      };
    }),
  );
  return {
    ...addDemand(days.map(({ sum }) => sum)),
    sampled: days.some(({ all }) => !all),
  };
}

/** What was counted in a part of the objects, for all of them. */
function times({ pulls, packages }: DemandCount, factor: number): DemandCount {
  if (!(factor > 1)) return { pulls, packages };
  const scaled = Object.entries(packages).map(([name, count]) => [
    name,
    Math.round(count * factor),
  ]);
  return {
    pulls: Math.round(pulls * factor),
    packages: Object.fromEntries(scaled) as DemandCount["packages"],
  };
}

/** How long a sum is cached, milliseconds: it only ranks names, and need not be exact. */
const FRESH_MS = 300_000;
const REMEMBERED_BYTES = 2 ** 20;
const ENTRY_BYTES = 60;
const remembered = memory<Demand>(
  REMEMBERED_BYTES,
  ({ packages }) => ENTRY_BYTES * (1 + Object.keys(packages).length),
  FRESH_MS,
);

/** The same, up to a few minutes old. */
export async function rememberedDemand(bucket: Bucket, packageSet: string): Promise<Demand> {
  const known = remembered.get(packageSet);
  if (known !== undefined) return known;
  const counted = await demandLately(bucket, packageSet, Date.now());
  remembered.set(packageSet, counted);
  return counted;
}
