/**
 * Chooses the layers of an image: at which level of its closure each package is taken, which parts
 * are layers and in which order, and which are appended to the profile layer. Pure: the edge
 * decides it from the records alone, and the simulator (test/bench/layers) measures this very code.
 *
 * Every level of a record is canonical, so equal parts of two packages are one. Fine levels share
 * the most, but an image has at most `layers` layers. All packages of an image take the same level,
 * the finest at which their union fits; nearly every image fits at the first:
 *
 *   4 layers     git: [a b c d | a b r | s]     curl: [a b e | a t]   level 0: a b c d e, too many
 *                                                                     level 1: a b r t, fits
 *
 * A small part is not a layer: a layer costs a client as much time as 4 MB of uncompressed bytes,
 * whatever its size. Its files are appended to the profile layer, which is different in every image
 * anyway.
 */
import { MAX_LAYERS, type PackageRecord, type Part } from "./records.ts";

/** The part of a record that the choice depends on. */
export type Levelled = Pick<PackageRecord, "name" | "parts" | "levels">;

export interface Budget {
  /** Most layers of packages in an image. */
  readonly layers: number;
  /**
   * Most bytes of small parts in one image: the edge inflates them in memory to compute the diffId,
   * and a client downloads them again with every image.
   */
  readonly smallBytes: number;
}

/** One layer is reserved for the profile layer. */
export const BUDGET: Budget = { layers: MAX_LAYERS - 1, smallBytes: 16_000_000 };

export interface ImageParts {
  /** In the order of the manifest's layers, bottom first. */
  readonly layers: readonly Part[];
  /** By key. */
  readonly small: readonly Part[];
}

/**
 * The finest levels at which the union of all parts fits into `budget`: a level index for each
 * record, or null when even the coarsest have too many layers.
 */
export function chooseLevels(
  records: readonly Levelled[],
  budget: Budget = BUDGET,
): number[] | null {
  if (records.some(({ levels }) => levels.every((parts) => parts.length === 0))) return null;
  const depth = Math.max(1, ...records.map((record) => record.levels.length));
  let coarsest: number[] | null = null;
  for (let wanted = 0; wanted < depth; wanted++) {
    const levels = records.map((record) => levelAt(record, wanted));
    const { layers, small } = imageParts(records, levels);
    if (layers.length > budget.layers) continue;
    if (small.reduce((sum, part) => sum + (part.small ?? 0), 0) <= budget.smallBytes) return levels;
    coarsest = levels;
  }
  return coarsest;
}

/** The record's finest level at or after `wanted`, else its coarsest. */
function levelAt({ levels }: Levelled, wanted: number): number {
  const found = levels.findIndex((parts, level) => level >= wanted && parts.length > 0);
  return found === -1 ? levels.findLastIndex((parts) => parts.length > 0) : found;
}

/**
 * The union of the parts of the chosen levels. Layers are sorted by rank, highest first, then by
 * key. Ranks come from the plan alone, so two images have common layers at the same places: clients
 * that reuse only equal prefixes of layers need that.
 */
export function imageParts(records: readonly Levelled[], levels: readonly number[]): ImageParts {
  const parts = new Map<string, Part>();
  records.forEach((record, index) => {
    for (const number of record.levels[levels[index] ?? -1] ?? []) {
      const part = record.parts[number];
      if (part && part.rank >= (parts.get(part.key)?.rank ?? 0)) parts.set(part.key, part);
    }
  });
  const byKey = [...parts.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    layers: byKey.filter(({ small }) => small === undefined).sort((a, b) => b.rank - a.rank),
    small: byKey.filter(({ small }) => small !== undefined),
  };
}
