/**
 * Firn, by the product's own code: the plan is made from the first revision's graph and kept for
 * the second, every package is cut by it, levels are chosen and layers ordered as the edge does. A
 * package's natural level is made when it is first published; another level when an image first
 * needs it.
 */
import { chooseLevels, type Levelled, orderParts } from "../../../../edge/contract/levels.ts";
import { cutGroups, type LayerPlan } from "../../../../origin/plan/index.ts";
import type { Dag } from "../../../../origin/plan/graph.ts";
import { pathAt, type SimLayer, type Strategy } from "../simulate.ts";
import type { Request, Trace } from "../trace.ts";

interface SimPath {
  readonly id: number;
  readonly path: string;
  readonly narSize: number;
}

interface SimRecord extends Levelled {
  readonly layers: readonly SimLayer[];
  readonly made: Set<number>;
}

export function firn(
  name: string,
  plan: LayerPlan,
  dag: Dag,
  trace: Trace,
  closure: (component: number) => Int32Array,
): Strategy {
  const made = new Map<string, SimLayer>();
  const records = new Map<number, SimRecord>();
  const paths = new Map<number, readonly SimPath[]>();
  let ids = 0;

  /**
   * Store paths of a component: as many as packages were condensed in it, with a hash that tells
   * the revision.
   */
  const pathsOf = (at: number): readonly SimPath[] => {
    let found = paths.get(at);
    if (!found) {
      const hash = String(at).padStart(32, "0");
      paths.set(
        at,
        (found = dag.members[at % dag.count]!.map((node) => ({
          id: ids++,
          path: `/nix/store/${hash}-${node.name}`,
          narSize: node.size,
        }))),
      );
    }
    return found;
  };
  const make = (record: SimRecord, level: number): void => {
    record.made.add(level);
    for (const part of record.levels[level]!)
      made.set(record.layers[part]!.key, record.layers[part]!);
  };
  const keys = new Map<string, string>();
  const keyOf = (contents: readonly SimPath[]): string => {
    const text = contents.map(({ id }) => id).join(" ");
    let key = keys.get(text);
    if (key === undefined) keys.set(text, (key = String(keys.size)));
    return key;
  };
  const publish = (root: number, revision: 0 | 1): SimRecord => {
    const cut = cutGroups(
      plan,
      [...closure(root)].flatMap((component) => pathsOf(pathAt(dag, trace, component, revision))),
    );
    const layers = cut.parts.map((part) => ({
      key: keyOf(part.paths),
      size: part.paths.reduce((sum, { narSize }) => sum + narSize, 0),
    }));
    const record = {
      name: `${root}`,
      parts: cut.parts.map(({ rank }, part) => ({ key: layers[part]!.key, rank })),
      levels: cut.levels,
      layers,
      made: new Set<number>(),
    };
    make(record, cut.level);
    return record;
  };

  return {
    name,
    image({ roots, revision }: Request) {
      let composable = true;
      const wanted = roots.map((root) => {
        const at = pathAt(dag, trace, root, revision);
        let record = records.get(at);
        if (!record) {
          records.set(at, (record = publish(root, revision)));
          composable = false;
        }
        return record;
      });
      composable &&=
        chooseLevels(wanted, undefined, (record, level) => record.made.has(level)) !== null;
      const levels = chooseLevels(wanted);
      if (!levels) throw new Error("an image of the trace fits at no level");
      const sizes = new Map<string, number>();
      wanted.forEach((record, index) => {
        if (!record.made.has(levels[index]!)) make(record, levels[index]!);
        for (const part of record.levels[levels[index]!]!)
          sizes.set(record.layers[part]!.key, record.layers[part]!.size);
      });
      return {
        layers: orderParts(wanted, levels).map(({ key }) => ({ key, size: sizes.get(key)! })),
        composable,
      };
    },
    made: () => made.values(),
  };
}
