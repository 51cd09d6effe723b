/**
 * Demand: how often packages are pulled, as stored for the next layer plan. Each isolate of the
 * edge writes its own counts, and `firn plan` adds them up. A pull is a client that got a manifest;
 * it counts for every package of the image, under its (lower-case) name in requests.
 */
import * as v from "valibot";
import { byName } from "./by-name.ts";
import { ComponentSchema } from "./records.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

export const DemandSchema = v.strictObject({
  /** Number of pulls. */
  pulls: count,
  /** By package: number of pulls whose image contains it. */
  packages: byName(ComponentSchema, count),
});
export type DemandCount = v.InferOutput<typeof DemandSchema>;

/**
 * Key of one writer's counts. `day`: yyyy-mm-dd, UTC, so that old counts can be expired by prefix;
 * `id`: chosen by the writer.
 */
export const demandPath = (packageSet: string, day: string, id: string): string =>
  `${demandPrefix(packageSet)}${day}/${id}.json`;
/** Prefix of all counts of a package set. */
export const demandPrefix = (packageSet: string): string => `demand/${packageSet}/`;

/** Adds up counts; keys are sorted. */
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

/** By package: the share of pulls whose image contains it, 0 to 1. */
export function demandShares({ pulls, packages }: DemandCount): Map<string, number> {
  return new Map(
    Object.entries(packages).map(([name, times]) => [
      name,
      pulls === 0 ? 0 : Math.min(1, times / pulls),
    ]),
  );
}
