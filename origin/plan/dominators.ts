/**
 * Dominators in a DAG whose roots are children of one virtual root. `a` dominates `b` when every
 * path from the virtual root to `b` leads through `a`. On a DAG one pass in topological order finds
 * them (Cooper, Harvey, Kennedy, "A simple, fast dominance algorithm").
 */
import type { Dag } from "./graph.ts";

/** Class number of a component that no root reaches. */
export const UNREACHED = -1;

/**
 * For each component the child of the virtual root that dominates it: the component itself when it
 * is requestable, or reached through two such children. A closure contains the components of one
 * child exactly if it contains the child, so they can share a layer at no cost.
 */
export function rootChildren(dag: Dag): Int32Array {
  const child = new Int32Array(dag.count).fill(UNREACHED);
  for (const root of dag.roots) child[root.component] = root.component;
  // References lead to lower numbers, so all that refers to a component comes before it here.
  for (let component = dag.count - 1; component >= 0; component--) {
    const own = child[component]!;
    if (own === UNREACHED) continue;
    for (const target of dag.references[component]!) {
      if (child[target] === UNREACHED) child[target] = own;
      else if (child[target] !== own) child[target] = target;
    }
  }
  return child;
}
