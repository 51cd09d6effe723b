/**
 * Cuts one package's closure into parts, level by level, as the plan says. Every decision is made
 * from the plan and the store path alone, never from the package, so two packages that hold a class
 * hold the same part:
 *
 *   plan: thresholds 0, 100; classes glibc+libidn2 (score 900), openssl (400), git (60), gitlib (50)
 *   closure of git at level 0:  [glibc libidn2] [openssl] [git] [gitlib]
 *   closure of git at level 1:  [glibc libidn2] [openssl] [git gitlib ← git's rest]
 *   after the last threshold:   [everything]
 *
 * A path that the plan does not know is in the rest at every level. A class of which this closure
 * holds only some members (joined classes, see merge.ts, or a newer revision) is the part of those.
 */
import { layerKey } from "../../edge/contract/keys.ts";
import { LAYER_BUDGET } from "../../edge/contract/levels.ts";
import type { StorePathInfo } from "../nix/types.ts";
import { classifier, type LayerPlan, NO_PLAN } from "./plan.ts";
import { rankOf, scoreOf } from "./score.ts";

export type CutPath = Pick<StorePathInfo, "path" | "narSize">;

export interface Group<P extends CutPath> {
  readonly rank: number;
  /** Sorted by path. */
  readonly paths: readonly P[];
}

export interface Groups<P extends CutPath> {
  readonly parts: readonly Group<P>[];
  /**
   * Indexes into `parts`, finest level first; empty where there would be too many. Every path is in
   * exactly one part of a level.
   */
  readonly levels: number[][];
  /** The finest level that is not empty. */
  readonly level: number;
}

export interface Cut {
  readonly parts: readonly {
    readonly key: string;
    readonly rank: number;
    readonly paths: readonly StorePathInfo[];
  }[];
  readonly levels: number[][];
  readonly level: number;
}

interface Class<P> {
  readonly score: number;
  readonly paths: P[];
}

const byPath = (a: CutPath, b: CutPath): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);

/**
 * The cut without keys: pure and synchronous, for the simulator too. The order of `closure` does
 * not matter.
 */
export function cutGroups<P extends CutPath>(plan: LayerPlan, closure: Iterable<P>): Groups<P> {
  const classify = classifier(plan);
  const classes = new Map<string, Class<P>>();
  const unknown: P[] = [];
  const loads = new Map<P, number>();
  for (const path of [...closure].sort(byPath)) {
    const place =
      plan === NO_PLAN
        ? { in: { id: path.path, load: 1, size: path.narSize }, load: 1 }
        : classify(path.path);
    if (!place) {
      unknown.push(path);
      continue;
    }
    loads.set(path, place.load);
    const found = classes.get(place.in.id);
    if (found) found.paths.push(path);
    else classes.set(place.in.id, { score: scoreOf(place.in), paths: [path] });
  }
  const sorted = [...classes.values()].sort(
    (a, b) => b.score - a.score || byPath(a.paths[0]!, b.paths[0]!),
  );

  const parts: Group<P>[] = [];
  const owns: number[] = [];
  const add = (paths: readonly P[]): number => {
    parts.push({ rank: rank(paths), paths });
    return parts.length - 1;
  };
  /** A part is as wanted as the least wanted of its paths that the plan knows. */
  const rank = (paths: readonly P[]): number => {
    const known = paths.map((path) => loads.get(path)).filter((load) => load !== undefined);
    return known.length === 0
      ? 0
      : rankOf(
          Math.min(...known),
          paths.reduce((sum, { narSize }) => sum + narSize, 0),
        );
  };
  const own = (number: number): number => (owns[number] ??= add(sorted[number]!.paths));
  /**
   * Part of everything but the first `count` classes; made once, as several levels may have the
   * same rest.
   */
  const rests = new Map<number, number>();
  const rest = (count: number): number => {
    let part = rests.get(count);
    if (part === undefined) {
      const others = sorted.slice(count);
      part =
        others.length === 1 && unknown.length === 0
          ? own(count)
          : add([...others.flatMap(({ paths }) => paths), ...unknown].sort(byPath));
      rests.set(count, part);
    }
    return part;
  };
  const levels = [...plan.thresholds, Number.POSITIVE_INFINITY].map((threshold) => {
    const count = sorted.findLastIndex(({ score }) => score >= threshold) + 1;
    const hasRest = count < sorted.length || unknown.length > 0;
    if (count + (hasRest ? 1 : 0) > LAYER_BUDGET) return [];
    const level = Array.from({ length: count }, (_, number) => own(number));
    if (hasRest) level.push(rest(count));
    return level;
  });
  return { parts, levels, level: levels.findIndex((level) => level.length > 0) };
}

/**
 * The cut of `storePath`'s closure: what a package record lists, with the paths that go into each
 * layer. `closure` holds storePath and everything it refers to.
 */
export async function cutClosure(
  plan: LayerPlan,
  storePath: string,
  closure: ReadonlyMap<string, StorePathInfo>,
): Promise<Cut> {
  if (!closure.has(storePath))
    throw new Error(`the closure to be cut does not hold ${storePath} itself`);
  const { parts, levels, level } = cutGroups(plan, closure.values());
  const keyed = await Promise.all(
    parts.map(async ({ rank, paths }) => ({ key: await layerKey(paths), rank, paths })),
  );
  return { parts: keyed, levels, level };
}
