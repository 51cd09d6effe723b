/** From the reference graph to classes: what shares a layer, how big it is, and how much it is wanted. */
import { rootChildren, UNREACHED } from "./dominators.ts";
import { type Dag, reach } from "./graph.ts";
import { mergeClasses } from "./merge.ts";

export interface Grouped {
  /** By component the number of its class, or UNREACHED. */
  readonly classOf: Int32Array;
  /** By class its bytes, and how many packages that hold it are in a mean pull (a mean over its members, by bytes). */
  readonly sizes: readonly number[];
  readonly loads: readonly number[];
}

/** Classes of the dominator tree, joined where that saves more layers than it costs bytes. `share`: how often an attribute is in a mean pull. */
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

  // Several attributes of one package are as wanted as the most wanted: who asks for one rarely asks for the other.
  const packageLoads = Float64Array.from(dag.roots, ({ attributes }) => Math.max(...attributes.map(share)));
  const users = tops.map((): number[] => []);
  const loads = new Float64Array(tops.length);
  const mark = new Int32Array(dag.count).fill(-1);
  dag.roots.forEach(({ component }, user) => {
    for (const found of reach(dag, component, mark, component)) {
      const own = exact[found]!;
      // Only a class's top is counted: it is in a closure exactly when all of the class is.
      if (tops[own] !== found) continue;
      users[own]!.push(user);
      loads[own]! += packageLoads[user]!;
    }
  });

  const group = mergeClasses({ sizes, users: users.map((own) => Int32Array.from(own)), loads: packageLoads, edges: [...edges.values()] });
  const groupSizes = Array.from(tops, () => 0);
  const wanted = Array.from(tops, () => 0);
  group.forEach((top, number) => {
    groupSizes[top]! += sizes[number]!;
    wanted[top]! += sizes[number]! * loads[number]!;
  });
  return {
    classOf: exact.map((own) => (own === UNREACHED ? UNREACHED : group[own]!)),
    sizes: groupSizes,
    loads: wanted.map((sum, top) => (groupSizes[top]! > 0 ? sum / groupSizes[top]! : 0)),
  };
}
