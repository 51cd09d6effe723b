/**
 * From the reference graph to classes: what shares a layer, how big it is, and how much it is
 * wanted.
 */
import { rootChildren, UNREACHED } from "./dominators.ts";
import { type Dag, reach } from "./graph.ts";
import { mergeClasses } from "./merge.ts";

export interface Grouped {
  /** By component the number of its class, or UNREACHED. */
  readonly classOf: Int32Array;
  /** By component how many packages of a mean pull hold it. */
  readonly componentLoads: Float64Array;
  /**
   * By class how many packages of a mean pull hold some of it, and the mean bytes of what they
   * hold.
   */
  readonly loads: readonly number[];
  readonly sizes: readonly number[];
}

/**
 * Classes of the dominator tree, joined where that saves more layers than it costs bytes. `share`:
 * how often an attribute is in a mean pull.
 */
export function groupComponents(dag: Dag, share: (attribute: string) => number): Grouped {
  const child = rootChildren(dag);
  const tops = [...new Set(child)].filter((top) => top !== UNREACHED).sort((a, b) => a - b);
  const numbers = new Map(tops.map((top, number) => [top, number]));
  const exact = child.map((top) => (top === UNREACHED ? UNREACHED : numbers.get(top)!));
  const sizes = Array.from(tops, () => 0);
  const edges = new Map<number, readonly [number, number]>();
  exact.forEach((own, component) => {
    if (own === UNREACHED) return;
    sizes[own]! += dag.size[component]!;
    for (const target of dag.references[component]!) {
      const other = exact[target]!;
      if (other !== own) edges.set(own * tops.length + other, [own, other]);
    }
  });

  // Several attributes of one package are as wanted as the most wanted: who asks for one rarely
  // asks for the other.
  const packageLoads = Float64Array.from(dag.roots, ({ attributes }) =>
    Math.max(...attributes.map(share)),
  );
  const users = tops.map((): number[] => []);
  const componentLoads = new Float64Array(dag.count);
  const mark = new Int32Array(dag.count).fill(-1);
  dag.roots.forEach(({ component }, user) => {
    for (const found of reach(dag, component, mark, component)) {
      componentLoads[found]! += packageLoads[user]!;
      const own = exact[found]!;
      // Only a class's top is counted: it is in a closure exactly when all of the class is.
      if (tops[own] !== found) continue;
      users[own]!.push(user);
    }
  });

  const merged = mergeClasses({
    sizes,
    users: users.map((own) => Int32Array.from(own)),
    loads: packageLoads,
    edges: [...edges.values()],
  });
  return {
    ...merged,
    componentLoads,
    classOf: exact.map((own) => (own === UNREACHED ? UNREACHED : merged.groupOf[own]!)),
  };
}
