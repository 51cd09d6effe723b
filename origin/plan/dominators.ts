/**
 * Dominators in a graph without cycles whose roots hang below one virtual root (Cooper, Harvey,
 * Kennedy, "A simple, fast dominance algorithm": on a DAG one pass in topological order is enough).
 * `a` dominates `b` when every way from the virtual root to `b` leads through `a`.
 */
import type { Dag } from "./graph.ts";

/** Class number of a component that no root reaches. */
export const UNREACHED = -1;

/**
 * For each component the child of the virtual root that dominates it: itself when it is
 * requestable, or reached through two such children. Everything below one child is in a closure
 * exactly when the child is, so it may share a layer without loss.
 */
export function rootChildren(dag: Dag): Int32Array {
  const child = new Int32Array(dag.count).fill(UNREACHED);
  for (const root of dag.roots) child[root.component] = root.component;
  // References lead to lower numbers, so going down everything that refers to a component comes
  // before it.
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
