/**
 * Which level of its closure each package of an image uses, and in which order the image's layers stand. Pure: the edge decides it from the records alone,
 * and the simulator (test/bench/layers) measures this very code.
 *
 * Every level of a record is canonical, so equal parts of two packages are one layer. Fine levels share the most, but an image has at most `budget` layers.
 * So everybody starts at the finest usable level, and as long as the union is too large, the package with the most layers takes the next coarser usable one:
 *
 *   budget 5     git: [a b c d | a b r | s]     curl: [a b e | a t]      union of levels 0 0: a b c d e        5 layers, fits
 *   budget 4     git has the most: level 1      git 1, curl 0: a b r e                                         4 layers, fits
 *
 * Only the largest package pays, so the many small ones keep sharing with every other image.
 */
import { MAX_LAYERS, type PackageRecord, type Part } from "./records.ts";

/** What level choice reads of a record. */
export type Levelled = Pick<PackageRecord, "name" | "parts" | "levels">;

/** Most layers of packages in an image: one is the profile layer's. */
export const LAYER_BUDGET = MAX_LAYERS - 1;

/**
 * The finest levels whose union of layers fits into `budget`: a level index per record, or null when not even the coarsest usable levels fit
 * (more packages with nothing in common than the budget has layers): the caller answers with an error.
 * `usable(record, level)`: whether that level's layers have been made; a level that is not usable is passed over, and the next coarser one serves.
 * Deterministic: of packages with equally many layers the one that stands later in `records` is coarsened.
 */
export function chooseLevels<R extends Levelled>(records: readonly R[], budget: number = LAYER_BUDGET, usable: (record: R, level: number) => boolean = () => true): number[] | null {
  const ids = new Map<string, number>();
  const users: number[] = [];
  const union = { size: 0 };
  const idsOf = (record: R, level: number): number[] =>
    (record.levels[level] ?? []).map((part) => {
      const key = record.parts[part]?.key ?? "";
      let id = ids.get(key);
      if (id === undefined) ids.set(key, (id = ids.size));
      return id;
    });
  const next = (record: R, level: number): number => {
    for (let n = level + 1; n < record.levels.length; n++) if (record.levels[n]?.length && usable(record, n)) return n;
    return -1;
  };
  const take = (layers: readonly number[]) => {
    for (const id of layers) if ((users[id] = (users[id] ?? 0) + 1) === 1) union.size++;
  };
  const leave = (layers: readonly number[]) => {
    for (const id of layers) if ((users[id] = (users[id] ?? 0) - 1) === 0) union.size--;
  };

  const levels: number[] = [];
  const layers: number[][] = [];
  for (const record of records) {
    const level = next(record, -1);
    if (level < 0) return null;
    levels.push(level);
    const own = idsOf(record, level);
    layers.push(own);
    take(own);
  }
  const coarser = records.map((record, index) => next(record, levels[index] ?? 0));
  while (union.size > budget) {
    let worst = -1;
    for (let n = 0; n < records.length; n++) {
      if ((coarser[n] ?? -1) >= 0 && (worst < 0 || (layers[n]?.length ?? 0) >= (layers[worst]?.length ?? 0))) worst = n;
    }
    const record = records[worst];
    const level = coarser[worst];
    if (record === undefined || level === undefined) return null;
    leave(layers[worst] ?? []);
    take((layers[worst] = idsOf(record, level)));
    levels[worst] = level;
    coarser[worst] = next(record, level);
  }
  return levels;
}

/**
 * The union of the parts of the chosen levels, in the order of the manifest's layers (bottom first): highest rank first, ties by key.
 * Ranks come from the plan alone, so two images have what everybody uses at the same place: clients that reuse only equal prefixes of layers need that.
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
