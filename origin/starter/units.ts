/**
 * Units: the store paths of the starter set. Most hold one Debian package; some hold several (the
 * nine of python3).
 *
 * Dependencies of Debian packages may form cycles, references between store paths cannot: an edge
 * that would close a cycle is left out. To leave out the same edge every time, the search follows
 * edges in sorted order, and begins at the base: libc6 first, since everything depends on it.
 */
import { type Recipe, type Resolution, unitOf } from "./resolve.ts";

export interface Unit {
  /** Debian packages, sorted. */
  readonly packages: readonly string[];
  /** Units that it depends on directly, sorted. */
  readonly dependencies: readonly string[];
}

/** Where the search begins, so that edges back to one of these are the ones left out. */
const BASE = ["libc6", "libgcc-s1", "libtinfo6", "bash"];

const sorted = (names: Iterable<string>): string[] => [...names].sort();

/** The units of a resolution by name, sorted, without cycles between them. */
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
  const acyclic = withoutCycles(edges);
  return new Map(
    sorted(packages.keys()).map((unit) => [
      unit,
      { packages: packages.get(unit) ?? [], dependencies: sorted(acyclic.get(unit) ?? []) },
    ]),
  );
}

/** Searches depth first; an edge to a unit on the current path closes a cycle and is left out. */
export function withoutCycles(
  edges: ReadonlyMap<string, ReadonlySet<string>>,
): Map<string, Set<string>> {
  const result = new Map<string, Set<string>>();
  const path = new Set<string>();
  const visit = (unit: string): void => {
    path.add(unit);
    const kept = new Set<string>();
    for (const target of sorted(edges.get(unit) ?? [])) {
      if (path.has(target)) continue;
      if (!result.has(target)) visit(target);
      kept.add(target);
    }
    path.delete(unit);
    result.set(unit, kept);
  };
  for (const unit of [...BASE.filter((name) => edges.has(name)), ...sorted(edges.keys())])
    if (!result.has(unit)) visit(unit);
  return result;
}

/** The unit and everything that it depends on. */
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
