/** The graph of packages in the local Nix store, for path, git and flake sets. Nothing is built. */
import type { StorePathInfo } from "../../nix/types.ts";
import { componentOf } from "../component.ts";
import type { GraphNode } from "../graph.ts";
import { storeName } from "../names.ts";

/** Reads a closure from Nix's database (origin/nix/build/closure.ts). */
export type QueryClosure = (
  roots: readonly string[],
) => Promise<ReadonlyMap<string, StorePathInfo>>;

/** The graph of packages. `packages`: attribute → store path; all of them must be in the store. */
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
