/**
 * From the reference graph to classes: which components share a layer, what that layer saves, and
 * the demand for each component.
 */
import { rootChildren, UNREACHED } from "./dominators.ts";
import { type Dag, reach } from "./graph.ts";
import { mergeClasses, type Pair } from "./merge.ts";
import { chance } from "./score.ts";

export interface Grouped {
  /** For each component the number of its class, or UNREACHED. */
  readonly classOf: Int32Array;
  /** For each class what a layer of its own saves a client, bytes; see gainOf. */
  readonly gains: readonly number[];
  /** For each component: how many packages of a mean pull contain it. */
  readonly componentLoads: Float64Array;
  /** For each component: how many packages that contain it a client is expected to pull. */
  readonly componentHolders: Float64Array;
}

/**
 * Finds the classes of the dominator tree and joins them (merge.ts). `share`: how often an
 * attribute is in a mean pull, from 0 to 1.
 */
export function groupComponents(dag: Dag, share: (attribute: string) => number): Grouped {
  const child = rootChildren(dag);
  const tops = [...new Set(child)].filter((top) => top !== UNREACHED).sort((a, b) => a - b);
  const numbers = new Map(tops.map((top, number) => [top, number]));
  const exact = child.map((top) => (top === UNREACHED ? UNREACHED : numbers.get(top)!));
  const sizes = Array.from(tops, () => 0);
  exact.forEach((own, component) => {
    if (own !== UNREACHED) sizes[own]! += dag.size[component]!;
  });

  // Of several attributes of one package only the most wanted counts: nobody asks for two of them.
  const packageLoads = Float64Array.from(dag.roots, ({ attributes }) =>
    Math.max(...attributes.map(share)),
  );
  const users = tops.map((): number[] => []);
  const held = dag.roots.map((): number[] => []);
  const componentLoads = new Float64Array(dag.count);
  const componentHolders = new Float64Array(dag.count);
  const mark = new Int32Array(dag.count).fill(-1);
  dag.roots.forEach(({ component }, user) => {
    for (const found of reach(dag, component, mark, component)) {
      componentLoads[found]! += packageLoads[user]!;
      componentHolders[found]! += chance(packageLoads[user]!);
      const own = exact[found]!;
      // Only the top of a class is counted: a closure contains it exactly if it contains the class.
      if (tops[own] !== found) continue;
      users[own]!.push(user);
      held[user]!.push(own);
    }
  });

  const merged = mergeClasses({
    sizes,
    users: users.map((own) => Int32Array.from(own)),
    loads: packageLoads,
    pairs: pairsOf(dag, exact, tops.length, held, (own) => componentLoads[tops[own]!]!),
  });
  return {
    gains: merged.gains,
    componentLoads,
    componentHolders,
    classOf: exact.map((own) => (own === UNREACHED ? UNREACHED : merged.groupOf[own]!)),
  };
}

/** How far apart two classes of a package may be, by load, to be offered for joining. */
const NEIGHBOURS = 2;

/**
 * Pairs of classes that may be worth joining: one refers to the other, or both are in one package
 * and have about the same load.
 */
function pairsOf(
  dag: Dag,
  exact: Int32Array,
  count: number,
  held: readonly number[][],
  loadOf: (own: number) => number,
): Pair[] {
  const pairs = new Set<number>();
  const add = (a: number, b: number): void => {
    if (a !== b) pairs.add(Math.min(a, b) * count + Math.max(a, b));
  };
  exact.forEach((own, component) => {
    if (own !== UNREACHED)
      for (const target of dag.references[component]!) add(own, exact[target]!);
  });
  for (const classes of held) {
    classes.sort((a, b) => loadOf(b) - loadOf(a) || a - b);
    classes.forEach((own, place) => {
      for (const other of classes.slice(place + 1, place + 1 + NEIGHBOURS)) add(own, other);
    });
  }
  return [...pairs].map((pair) => [Math.floor(pair / count), pair % count] as const);
}
