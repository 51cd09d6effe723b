/**
 * Firn, by the product's own code: the plan is made from the first revision's graph and kept for
 * the second, every package is cut by it, levels are chosen, layers ordered and small parts put
 * into the image's own layer as the edge does. A package's natural level is made when it is first
 * published; another level when an image first needs it.
 */
import { chooseLevels, imageParts, type Levelled } from "../../../../edge/contract/levels.ts";
import { cutGroups, type LayerPlan } from "../../../../origin/plan/index.ts";
import type { Dag } from "../../../../origin/plan/graph.ts";
import { pathAt, type SimLayer, type Strategy } from "../simulate.ts";
import type { Request, Trace } from "../trace.ts";

const sizeOf = (paths: Iterable<SimPath>): number =>
  [...paths].reduce((sum, { narSize }) => sum + narSize, 0);

/** The plan in force at each revision. */
export type Plans = readonly [LayerPlan, LayerPlan];

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
  [before, after]: Plans,
  base: readonly string[],
  dag: Dag,
  trace: Trace,
  closure: (component: number) => Int32Array,
): Strategy {
  const made = new Map<string, SimLayer>();
  const records = new Map<string, SimRecord>();
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
  const contents = new Map<string, readonly SimPath[]>();
  const keyOf = (paths: readonly SimPath[]): string => {
    const text = paths.map(({ id }) => id).join(" ");
    let key = keys.get(text);
    if (key === undefined) keys.set(text, (key = String(keys.size)));
    contents.set(key, paths);
    return key;
  };
  const pathsAt = (component: number, revision: 0 | 1): readonly SimPath[] =>
    pathsOf(pathAt(dag, trace, component, revision));
  const reached = new Set(base.flatMap((name) => [...closure(trace.roots.get(name)!)]));
  const basePaths = ([0, 1] as const).map((revision) =>
    [...reached].flatMap((component) => pathsAt(component, revision)),
  );
  const publish = (root: number, revision: 0 | 1): SimRecord => {
    const cut = cutGroups(
      revision === 0 ? before : after,
      [...closure(root)].flatMap((component) => pathsAt(component, revision)),
      basePaths[revision],
    );
    const layers = cut.parts.map(({ paths, size }) => ({ key: keyOf(paths), size }));
    const record = {
      name: `${root}`,
      parts: cut.parts.map(({ rank, size, bare }, part) => ({
        key: layers[part]!.key,
        rank,
        ...(bare && { small: size }),
      })),
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
        // A base that changed, or another plan, is another record of the same package.
        const at = [
          pathAt(dag, trace, root, revision),
          keyOf(basePaths[revision]!),
          before === after ? 0 : revision,
        ].join(" ");
        let record = records.get(at);
        if (!record) {
          records.set(at, (record = publish(root, revision)));
          composable = false;
        }
        return record;
      });
      const levels = chooseLevels(wanted);
      if (!levels) throw new Error("an image of the trace fits at no level");
      wanted.forEach((record, index) => {
        if (!record.made.has(levels[index]!)) {
          composable = false;
          make(record, levels[index]!);
        }
      });
      const { layers, small } = imageParts(wanted, levels);
      // A store path of several small parts is there once. The profile links to the packages, so it
      // is another one when they or its parts change.
      const packages = roots.map((root) => pathAt(dag, trace, root, revision));
      return {
        layers: layers.map(({ key }) => made.get(key)!),
        own: {
          key: `own ${packages.join(" ")} ${small.map(({ key }) => key).join(" ")}`,
          size: sizeOf(new Set(small.flatMap(({ key }) => contents.get(key)!))),
        },
        composable,
      };
    },
    made: () => made.values(),
  };
}
