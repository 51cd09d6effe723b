/** One layer per requested package: its whole closure. */
import { type Dag } from "../../../../origin/plan/graph.ts";
import { type SimLayer, type Strategy } from "../simulate.ts";
import type { Request, Trace } from "../trace.ts";

export function perPackage(
  dag: Dag,
  trace: Trace,
  closure: (component: number) => Int32Array,
): Strategy {
  const made = new Map<string, SimLayer>();
  return {
    name: "package",
    image({ roots, revision }: Request) {
      let composable = true;
      const layers = roots.map((root): SimLayer => {
        const paths = closure(root);
        // A path above a changed one has changed too, so the package's own path tells the revision
        // of its closure.
        const key = `${root}@${revision === 1 && trace.changed[root] === 1 ? 1 : 0}`;
        const known = made.get(key);
        if (known) return known;
        composable = false;
        const layer = {
          key,
          size: paths.reduce((sum, component) => sum + dag.size[component]!, 0),
        };
        made.set(key, layer);
        return layer;
      });
      return { layers, composable };
    },
    made: () => made.values(),
  };
}
