/**
 * Which level of its closure each package of an image uses, and the order of the image's layers.
 * Pure: the edge decides it from the records alone, and the simulator (test/bench/layers)
 * measures this very code.
 *
 * Every level of a record is canonical, so equal parts of two packages are one layer. Fine levels
 * share the most, but an image has at most `budget` layers. All packages of an image take the same
 * level, the finest at which their union fits:
 *
 *   budget 4     git: [a b c d | a b r | s]     curl: [a b e | a t]      level 0: a b c d e   5 layers, too many
 *                                                                        level 1: a b r t     4 layers, fits
 *
 * In simulation this moves less than coarsening only the package with the most layers: a package
 * met at many different levels is moved again at each of them.
 */
import { MAX_LAYERS, type PackageRecord, type Part } from "./records.ts";

/** What level choice reads of a record. */
export type Levelled = Pick<PackageRecord, "name" | "parts" | "levels">;

/** Most layers of packages in an image: one is the profile layer's. */
export const LAYER_BUDGET = MAX_LAYERS - 1;

/**
 * The finest levels whose union of layers fits into `budget`: a level index per record, or null
 * when not even the coarsest usable levels fit: the caller answers with an error, or has more
 * levels made. `usable(record, level)`: whether that level's layers have been made; where one is
 * not usable, the record's next coarser usable level serves, or else its coarsest.
 */
export function chooseLevels<R extends Levelled>(
  records: readonly R[],
  budget: number = LAYER_BUDGET,
  usable: (record: R, level: number) => boolean = () => true,
): number[] | null {
  const known = records.map((record) =>
    record.levels.flatMap((parts, level) =>
      parts.length > 0 && usable(record, level) ? [level] : [],
    ),
  );
  if (known.some((levels) => levels.length === 0)) return null;
  const depth = Math.max(0, ...records.map((record) => record.levels.length));
  let before: string | undefined;
  for (let wanted = 0; wanted <= depth; wanted++) {
    const levels = known.map((own) => own.find((level) => level >= wanted) ?? own.at(-1) ?? 0);
    if (levels.join() === before) continue;
    before = levels.join();
    if (fits(records, levels, budget)) return levels;
  }
  return null;
}

/** Whether the union of the layers has at most `budget`; looks no further than it must. */
function fits(records: readonly Levelled[], levels: readonly number[], budget: number): boolean {
  const keys = new Set<string>();
  return records.every((record, index) => {
    for (const part of record.levels[levels[index] ?? -1] ?? []) {
      keys.add(record.parts[part]?.key ?? "");
      if (keys.size > budget) return false;
    }
    return true;
  });
}

/**
 * The union of the parts of the chosen levels, in the order of the manifest's layers (bottom
 * first): highest rank first, ties by key. Ranks come from the plan alone, so two images have what
 * everybody uses at the same place: clients that reuse only equal prefixes of layers need that.
 */
export function orderParts(records: readonly Levelled[], levels: readonly number[]): Part[] {
  const ranks = new Map<string, number>();
  records.forEach((record, index) => {
    for (const number of record.levels[levels[index] ?? -1] ?? []) {
      const part = record.parts[number];
      if (part) ranks.set(part.key, Math.max(part.rank, ranks.get(part.key) ?? 0));
    }
  });
  return [...ranks]
    .map(([key, rank]) => ({ key, rank }))
    .sort((a, b) => b.rank - a.rank || (a.key < b.key ? -1 : 1));
}
