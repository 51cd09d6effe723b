/**
 * Demand: how often packages are pulled, as the bucket holds it for the next layer plan. Each
 * isolate of the edge writes its own counts, and `firn plan` adds them up. A pull is a client that
 * got a manifest; it counts for every package of the image, by the names that requests use (lower
 * case).
 */
import * as v from "valibot";
import { ComponentSchema } from "./records.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

export const DemandSchema = v.strictObject({
  /** Pulls counted. */
  pulls: count,
  /** By package: pulls whose image holds it. */
  packages: v.record(ComponentSchema, count),
});
export type DemandCount = v.InferOutput<typeof DemandSchema>;

/**
 * Everything that was counted for a package set. `day`: yyyy-mm-dd, UTC, so that old counts can be
 * expired by prefix; `id`: of the writer's own.
 */
export const demandPath = (packageSet: string, day: string, id: string): string =>
  `${demandPrefix(packageSet)}${day}/${id}.json`;
export const demandPrefix = (packageSet: string): string => `demand/${packageSet}/`;

/** The sum of counts; keys sorted. */
export function addDemand(counts: Iterable<DemandCount>): DemandCount {
  let pulls = 0;
  const packages = new Map<string, number>();
  for (const each of counts) {
    pulls += each.pulls;
    for (const [name, times] of Object.entries(each.packages))
      packages.set(name, (packages.get(name) ?? 0) + times);
  }
  return {
    pulls,
    packages: Object.fromEntries([...packages].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

/** By package: the share of pulls that hold it, 0 to 1. */
export function demandShares({ pulls, packages }: DemandCount): Map<string, number> {
  return new Map(
    Object.entries(packages).map(([name, times]) => [
      name,
      pulls === 0 ? 0 : Math.min(1, times / pulls),
    ]),
  );
}
