/** Closures of requestable packages, computed once each. */
import { type Dag, reach } from "../../../../origin/plan/graph.ts";

export function closures(dag: Dag): (component: number) => Int32Array {
  const mark = new Int32Array(dag.count).fill(-1);
  const known = new Map<number, Int32Array>();
  return (component) => {
    let closure = known.get(component);
    if (!closure)
      known.set(
        component,
        (closure = Int32Array.from(reach(dag, component, mark, component)).sort()),
      );
    // A later call for the same component would need a new stamp, but it is answered from `known`.
    return closure;
  };
}
