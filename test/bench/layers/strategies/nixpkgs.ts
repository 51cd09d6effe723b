/**
 * nixpkgs' dockerTools.buildLayeredImage: the most popular paths of the image's closure get a layer
 * each, the rest shares the last one. Popularity is the number of ways that lead to a path from the
 * roots, and to everything above it: deep paths come first.
 */
import { type Dag } from "../../../../origin/plan/graph.ts";
import { pathAt, type SimLayer, type Strategy } from "../simulate.ts";
import type { Request, Trace } from "../trace.ts";

const MAX_LAYERS = 100;

export function nixpkgs(
  dag: Dag,
  trace: Trace,
  closure: (component: number) => Int32Array,
): Strategy {
  const made = new Map<string, SimLayer>();
  return {
    name: "nixpkgs",
    image({ roots, revision }: Request) {
      const ways = new Map<number, number>();
      for (const root of roots) for (const component of closure(root)) ways.set(component, 0);
      for (const root of roots) ways.set(root, 1);
      for (const component of [...ways.keys()].sort((a, b) => b - a)) {
        for (const target of dag.references[component]!)
          ways.set(target, ways.get(target)! + ways.get(component)!);
      }
      // What dockerTools counts along every way adds up to the ways to all that a path is below.
      const popularity = new Map<number, number>(
        [...ways.keys()].map((component) => [component, 0]),
      );
      for (const [above, count] of ways)
        for (const component of closure(above))
          popularity.set(component, popularity.get(component)! + count);
      const sorted = [...popularity]
        .sort((a, b) => b[1] - a[1] || a[0] - b[0])
        .map(([component]) => component);
      const groups = sorted.slice(0, MAX_LAYERS - 1).map((component) => [component]);
      if (sorted.length >= MAX_LAYERS) groups.push(sorted.slice(MAX_LAYERS - 1));
      const layers = groups.map((group): SimLayer => {
        const key = group
          .map((component) => pathAt(dag, trace, component, revision))
          .sort((a, b) => a - b)
          .join(" ");
        const layer = {
          key,
          size: group.reduce((sum, component) => sum + dag.size[component]!, 0),
        };
        made.set(key, layer);
        return layer;
      });
      return { layers, composable: false };
    },
    made: () => made.values(),
  };
}
