/**
 * Nixery's grouping (its builder/layers.go): the dominator tree of the image's own graph below a
 * virtual root, to which every path that is large or popular is a child as well; what one child
 * dominates directly is a layer, rated popularity × size; beyond the budget the lowest rated are
 * merged into one. A path's size is its closure's there, in the rating and for what is large.
 */
import { type Dag } from "../../../../origin/plan/graph.ts";
import { pathAt, type SimLayer, type Strategy } from "../simulate.ts";
import type { Request, Trace } from "../trace.ts";

const SIZE_THRESHOLD = 100_000_000;
const POPULARITY_THRESHOLD = 1000;
const BUDGET = 94;

export function nixery(
  dag: Dag,
  trace: Trace,
  closure: (component: number) => Int32Array,
): Strategy {
  // popcount counts how many paths of the channel refer to a name directly.
  const popularity = new Int32Array(dag.count);
  for (const targets of dag.references) for (const target of targets) popularity[target]!++;
  const closureSizes = new Map<number, number>();
  const closureSize = (component: number): number => {
    let sum = closureSizes.get(component);
    if (sum === undefined) closureSizes.set(component, (sum = size([...closure(component)])));
    return sum;
  };
  const large = (component: number): boolean =>
    closureSize(component) > SIZE_THRESHOLD || popularity[component]! >= POPULARITY_THRESHOLD;
  const size = (group: readonly number[]): number =>
    group.reduce((sum, component) => sum + dag.size[component]!, 0);
  const rating = (top: number, group: readonly number[]): number =>
    group.reduce((sum, component) => sum + closureSize(component), 0) * (popularity[top]! + 1);
  const made = new Map<string, SimLayer>();

  return {
    name: "nixery",
    image({ roots, revision }: Request) {
      const wanted = new Set<number>();
      for (const root of roots) for (const component of closure(root)) wanted.add(component);
      const child = new Map<number, number>();
      for (const component of [...wanted].sort((a, b) => b - a)) {
        if (large(component) || roots.includes(component)) child.set(component, component);
        const own = child.get(component)!;
        for (const target of dag.references[component]!) {
          const known = child.get(target);
          if (known === undefined) child.set(target, own);
          else if (known !== own) child.set(target, target);
        }
      }
      const groups = new Map<number, number[]>();
      for (const component of wanted) {
        const group = groups.get(child.get(component)!);
        if (group) group.push(component);
        else groups.set(child.get(component)!, [component]);
      }
      const rated = [...groups]
        .map(([top, group]) => ({ top, group, rating: rating(top, group) }))
        .sort((a, b) => b.rating - a.rating || a.top - b.top);
      const layers = rated.slice(0, BUDGET - 1).map(({ group }) => group);
      if (rated.length >= BUDGET)
        layers.push(rated.slice(BUDGET - 1).flatMap(({ group }) => group));
      const result = layers.map((group): SimLayer => {
        const key = group
          .map((component) => pathAt(dag, trace, component, revision))
          .sort((a, b) => a - b)
          .join(" ");
        const layer = { key, size: size(group) };
        made.set(key, layer);
        return layer;
      });
      return { layers: result, composable: false };
    },
    made: () => made.values(),
  };
}
