/**
 * Cuts one package's closure into parts, level by level, as the plan says. Every decision is made
 * from the plan, the base and the store path alone, never from the package, so two packages that
 * hold a class hold the same part:
 *
 *   base: cacert, perl    plan: thresholds 0, 100; classes glibc+libidn2 (gain 900), openssl (400), git (60)
 *   closure of git at level 0:  [cacert perl] [glibc libidn2] [openssl] [git] [gitlib ← git's rest]
 *   closure of git at level 1:  [cacert perl] [glibc libidn2] [openssl] [git gitlib]
 *   after the last threshold:   [cacert perl] [glibc libidn2 openssl git gitlib]
 *
 * After the last threshold a package has one part beside the base, which is a layer however small
 * it is: so an image of as many packages as docker mounts layers can always be had, when at every
 * other level their small parts together are too much for an image's own layer.
 *
 * The base, what the packages of every image reach, is the first part of every package, whole, also
 * where the package needs none or some of it: every image has that layer anyway. A path that the
 * plan does not know is in the rest at every level. A class of which this closure holds only some
 * members (joined classes, see merge.ts, or a newer revision) is the part of those.
 */
import { layerKey } from "../../edge/contract/keys.ts";
import { BUDGET } from "../../edge/contract/levels.ts";
import type { StorePathInfo } from "../nix/types.ts";
import { classifier, type LayerPlan, NO_PLAN } from "./plan.ts";
import { BASE_RANK, rankOf } from "./score.ts";

export type CutPath = Pick<StorePathInfo, "path" | "narSize">;

export interface Group<P extends CutPath> {
  readonly rank: number;
  /** NAR bytes. */
  readonly size: number;
  /** Too small for a layer: its blob contains only the trees, to be put into a profile layer. */
  readonly bare: boolean;
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
  readonly parts: readonly (Group<StorePathInfo> & { readonly key: string })[];
  readonly levels: number[][];
  readonly level: number;
}

/** How a part is made, where its size does not decide it. */
interface Wanted {
  readonly rank?: number;
  readonly isLayer?: boolean;
}

interface Class<P> {
  readonly gain: number;
  readonly paths: P[];
}

const byPath = (a: CutPath, b: CutPath): number => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0);

/**
 * The cut without keys: pure and synchronous, for the simulator too. The order of `closure` does
 * not matter.
 */
export function cutGroups<P extends CutPath>(
  plan: LayerPlan,
  closure: Iterable<P>,
  base: readonly P[] = [],
): Groups<P> {
  const classify = classifier(plan);
  const classes = new Map<number, Class<P>>();
  const unknown: P[] = [];
  const loads = new Map<P, number>();
  const inBase = new Set(base.map(({ path }) => path));
  const paths = [...closure].filter(({ path }) => !inBase.has(path)).sort(byPath);
  paths.forEach((path, number) => {
    const place = plan === NO_PLAN ? { number, gain: path.narSize, load: 1 } : classify(path.path);
    if (!place) {
      unknown.push(path);
      return;
    }
    loads.set(path, place.load);
    const found = classes.get(place.number);
    if (found) found.paths.push(path);
    else classes.set(place.number, { gain: place.gain, paths: [path] });
  });
  const sorted = [...classes.values()].sort(
    (a, b) => b.gain - a.gain || byPath(a.paths[0]!, b.paths[0]!),
  );

  const parts: Group<P>[] = [];
  const owns: number[] = [];
  const add = (contents: readonly P[], { rank, isLayer = false }: Wanted = {}): number => {
    const size = contents.reduce((sum, { narSize }) => sum + narSize, 0);
    // A part is as wanted as the least wanted of its paths that the plan knows.
    const known = contents.flatMap((path) => loads.get(path) ?? []);
    const load = known.length === 0 ? 0 : Math.min(...known);
    const bare = !isLayer && size < plan.smallPart;
    parts.push({ rank: rank ?? rankOf(load, size), size, bare, paths: contents });
    return parts.length - 1;
  };
  const first =
    base.length > 0 ? [add([...base].sort(byPath), { rank: BASE_RANK, isLayer: true })] : [];
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
  /** The same part, which is a layer however small it is. */
  const layerOf = (part: number): number => {
    const { bare, paths: contents } = parts[part]!;
    return bare ? add(contents, { isLayer: true }) : part;
  };
  const levels = [...plan.thresholds, Number.POSITIVE_INFINITY].map((threshold) => {
    const count = sorted.findLastIndex(({ gain }) => gain >= threshold) + 1;
    const hasRest = count < sorted.length || unknown.length > 0;
    if (first.length + count + (hasRest ? 1 : 0) > BUDGET.layers) return [];
    const level = [...first, ...Array.from({ length: count }, (_, number) => own(number))];
    if (hasRest) level.push(threshold === Infinity ? layerOf(rest(count)) : rest(count));
    return level;
  });
  return { parts, levels, level: levels.findIndex((level) => level.length > 0) };
}

/**
 * The cut of `storePath`'s closure: what a package record lists, with the paths that go into each
 * layer. `closure` holds storePath and everything it refers to, `base` the closures of the packages
 * of every image.
 */
export async function cutClosure(
  plan: LayerPlan,
  storePath: string,
  closure: ReadonlyMap<string, StorePathInfo>,
  base: ReadonlyMap<string, StorePathInfo> = new Map(),
): Promise<Cut> {
  if (!closure.has(storePath))
    throw new Error(`the closure to be cut does not hold ${storePath} itself`);
  const { parts, levels, level } = cutGroups(plan, closure.values(), [...base.values()]);
  const keyed = await Promise.all(
    parts.map(async (part) => ({ key: await layerKey(part.paths, part.bare), ...part })),
  );
  return { parts: keyed, levels, level };
}
