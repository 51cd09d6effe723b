/**
 * Units: the store paths of the starter set. Mostly one per Debian package; some packages
 * (python3's nine) make one together.
 *
 * Debian's dependencies may form circles, store paths cannot: an edge that would close one is left
 * out. Which one that is must not depend on chance, so the walk goes in sorted order, after the
 * base (libc first: everything's library waits for nothing).
 */
import { type Recipe, type Resolution, unitOf } from "./resolve.ts";

export interface Unit {
  /** Debian packages, sorted. */
  readonly packages: readonly string[];
  /** Units that it depends on directly, sorted. */
  readonly dependencies: readonly string[];
}

/** Walked first, so that an edge back to one of these is the one that goes. */
const BASE = ["libc6", "libgcc-s1", "libtinfo6", "bash"];

const sorted = (names: Iterable<string>): string[] => [...names].sort();

export function makeUnits(recipe: Recipe, { dependencies }: Resolution): Map<string, Unit> {
  const packages = new Map<string, string[]>();
  const edges = new Map<string, Set<string>>();
  for (const name of sorted(dependencies.keys())) {
    const unit = unitOf(recipe, name);
    packages.set(unit, [...(packages.get(unit) ?? []), name]);
    const targets = edges.get(unit) ?? new Set();
    for (const dependency of dependencies.get(name) ?? []) {
      const target = unitOf(recipe, dependency);
      if (target !== unit) targets.add(target);
    }
    edges.set(unit, targets);
  }
  const acyclic = withoutCircles(edges);
  return new Map(
    sorted(packages.keys()).map((unit) => [
      unit,
      { packages: packages.get(unit) ?? [], dependencies: sorted(acyclic.get(unit) ?? []) },
    ]),
  );
}

/** Depth first; an edge to a unit that is still being visited closes a cycle and is dropped. */
export function withoutCircles(
  edges: ReadonlyMap<string, ReadonlySet<string>>,
): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>();
  const walking = new Set<string>();
  const walk = (unit: string): void => {
    walking.add(unit);
    const kept = new Set<string>();
    for (const target of sorted(edges.get(unit) ?? [])) {
      if (walking.has(target)) continue;
      if (!result.has(target)) walk(target);
      kept.add(target);
    }
    walking.delete(unit);
    result.set(unit, kept);
  };
  for (const unit of [...BASE.filter((name) => edges.has(name)), ...sorted(edges.keys())])
    if (!result.has(unit)) walk(unit);
  return result;
}

/** Every unit below one, itself included. */
export function closureOf(units: ReadonlyMap<string, Unit>, root: string): Set<string> {
  const seen = new Set<string>();
  const queue = [root];
  for (let unit = queue.pop(); unit !== undefined; unit = queue.pop()) {
    if (seen.has(unit)) continue;
    seen.add(unit);
    queue.push(...(units.get(unit)?.dependencies ?? []));
  }
  return seen;
}
