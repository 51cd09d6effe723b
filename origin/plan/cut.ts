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

interface Class<P> {
  readonly gain: number;
  readonly paths: P[];
}

/** The paths of a closure by the plan's classes. */
interface Classified<P> {
  /** By gain, the largest first. */
  readonly classes: readonly Class<P>[];
  /** Paths that the plan does not know, sorted. */
  readonly unknown: readonly P[];
  /** For each path that the plan knows: how many packages of a mean pull contain it. */
  readonly loads: ReadonlyMap<P, number>;
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
  const inBase = new Set(base.map(({ path }) => path));
  const others = [...closure].filter(({ path }) => !inBase.has(path));
  const { classes, unknown, loads } = classify(plan, others.sort(byPath));
  const parts = new Parts({ classes, unknown, loads }, plan.smallPart);
  const first = base.length > 0 ? [parts.base(base)] : [];
  const levels = [...plan.thresholds, Infinity].map((threshold) => {
    const own = classes.findLastIndex(({ gain }) => gain >= threshold) + 1;
    const hasRest = own < classes.length || unknown.length > 0;
    if (first.length + own + (hasRest ? 1 : 0) > BUDGET.layers) return [];
    const level = [...first, ...Array.from({ length: own }, (_, number) => parts.ofClass(number))];
    if (!hasRest) return level;
    const rest = parts.rest(own);
    return [...level, threshold === Infinity ? parts.asLayer(rest) : rest];
  });
  return { parts: parts.all, levels, level: levels.findIndex((level) => level.length > 0) };
}

/** `paths`: sorted. */
function classify<P extends CutPath>(plan: LayerPlan, paths: readonly P[]): Classified<P> {
  const placeOf = classifier(plan);
  const classes = new Map<number, Class<P>>();
  const unknown: P[] = [];
  const loads = new Map<P, number>();
  paths.forEach((path, number) => {
    const place = plan === NO_PLAN ? { number, gain: path.narSize, load: 1 } : placeOf(path.path);
    if (place === null) {
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
  return { classes: sorted, unknown, loads };
}

/** What the size of a part does not decide. */
interface Wanted {
  readonly isLayer?: boolean;
  readonly rank?: number;
}

/** The parts of a closure, each made when the first level needs it; methods return its index. */
class Parts<P extends CutPath> {
  readonly all: Group<P>[] = [];
  readonly #closure: Classified<P>;
  readonly #smallPart: number;
  /** By the number of the class. */
  readonly #ofClass: number[] = [];
  /** By the number of classes that are parts of their own. */
  readonly #rests = new Map<number, number>();

  constructor(closure: Classified<P>, smallPart: number) {
    this.#closure = closure;
    this.#smallPart = smallPart;
  }

  base(paths: readonly P[]): number {
    return this.#add([...paths].sort(byPath), { isLayer: true, rank: BASE_RANK });
  }

  ofClass(number: number): number {
    return (this.#ofClass[number] ??= this.#add(this.#closure.classes[number]!.paths));
  }

  /** Everything but the first `own` classes. Levels with the same rest share the part. */
  rest(own: number): number {
    let part = this.#rests.get(own);
    if (part === undefined) {
      const { classes, unknown } = this.#closure;
      const others = classes.slice(own);
      part =
        others.length === 1 && unknown.length === 0
          ? this.ofClass(own)
          : this.#add([...others.flatMap(({ paths }) => paths), ...unknown].sort(byPath));
      this.#rests.set(own, part);
    }
    return part;
  }

  /** The same part, as a layer however small it is. */
  asLayer(part: number): number {
    const { bare, paths } = this.all[part]!;
    return bare ? this.#add(paths, { isLayer: true }) : part;
  }

  #add(paths: readonly P[], { isLayer = false, rank }: Wanted = {}): number {
    const size = paths.reduce((sum, { narSize }) => sum + narSize, 0);
    // A part is as wanted as the least wanted of its paths that the plan knows.
    const known = paths.flatMap((path) => this.#closure.loads.get(path) ?? []);
    const load = known.length === 0 ? 0 : Math.min(...known);
    const bare = !isLayer && size < this.#smallPart;
    this.all.push({ rank: rank ?? rankOf(load, size), size, bare, paths });
    return this.all.length - 1;
  }
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
