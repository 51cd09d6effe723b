/**
 * The graph of what is in the local Nix store already, for path and git sets: nothing is evaluated
 * or built for it.
 */
import type { StorePathInfo } from "../../nix/types.ts";
import { componentOf } from "../component.ts";
import type { GraphNode } from "../graph.ts";
import { storeName } from "../names.ts";

/** Nix's database, as far as this reads it: `queryClosure` of origin/nix. */
export type QueryClosure = (
  roots: readonly string[],
) => Promise<ReadonlyMap<string, StorePathInfo>>;

/**
 * `packages`: attribute → its store path, as records or an evaluation tell; those that are not in
 * the store must be left out.
 */
export async function storeGraph(
  packages: ReadonlyMap<string, string>,
  queryClosure: QueryClosure,
): Promise<GraphNode[]> {
  const closure = await queryClosure([...new Set(packages.values())].sort());
  const roots = new Map<string, string[]>();
  for (const [attribute, path] of packages)
    roots.set(path, [...(roots.get(path) ?? []), componentOf(attribute)]);
  return [...closure.values()].map(({ path, narSize, references }) => ({
    id: path,
    name: storeName(path),
    size: narSize,
    references,
    roots: roots.get(path) ?? [],
  }));
}
