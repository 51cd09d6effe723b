/**
 * A seeded trace of pulls. Images hold 1 to 8 programs (few hold many) drawn by Zipf popularity,
 * half of them with `shell`, all of them with the base packages. Every client pulls a dozen images;
 * at half time the package set gets a new revision: some paths change, and through references
 * everything above them. After it half of a client's pulls are images it had before, now of the new
 * revision.
 */
import { type Dag, reach } from "../../../origin/plan/graph.ts";
import { seeded, shuffled, zipf } from "./random.ts";
import type { World } from "./world.ts";

export interface TraceOptions {
  readonly seed: number;
  /** Draws who pulls which image when; the images and their popularity are drawn by `seed`. */
  readonly clientsSeed?: number;
  readonly images: number;
  readonly clients: number;
  readonly pulls: number;
}

/** An image request at one revision. */
export interface Request {
  /** Unique per (image, revision). */
  readonly id: number;
  /** Components of the requested packages, sorted, with shell and base. */
  readonly roots: readonly number[];
  readonly revision: 0 | 1;
}

export interface Trace {
  readonly pulls: readonly { readonly client: number; readonly request: Request }[];
  /** Components whose store path differs between the two revisions. */
  readonly changed: Uint8Array;
  /** Share of pulls by attribute, as the edge would have counted it before the new revision. */
  readonly demand: ReadonlyMap<string, number>;
  readonly roots: ReadonlyMap<string, number>;
}

/** Weights of images of 1, 2, … 8 programs: mean 2.9. */
const PROGRAMS = [25, 24, 19, 13, 8, 5, 4, 2];
const SHELL_SHARE = 0.5;
/** Popularity of programs, and of images among all images. */
const PROGRAM_ZIPF = 1;
const IMAGE_ZIPF = 0.6;
/**
 * Share of paths that a new revision changes by itself, and the most that may stand above one of
 * them: what rebuilds half of the set goes through a staging branch.
 */
const CHANGED_SHARE = 0.03;
const MOST_ABOVE = 0.02;

export function makeTrace(
  world: World,
  dag: Dag,
  { seed, clientsSeed, images, clients, pulls }: TraceOptions,
): Trace {
  const random = seeded(seed);
  const roots = new Map(
    dag.roots.flatMap(({ component, attributes }) =>
      attributes.map((attribute) => [attribute, component] as const),
    ),
  );
  const componentOf = (attribute: string): number => {
    const component = roots.get(attribute);
    if (component === undefined)
      throw new Error(`the graph ${world.name} has no package ${attribute}`);
    return component;
  };
  const fixed = new Set([...world.shell, ...world.base]);
  const programs = shuffled(
    [...roots.keys()].filter((attribute) => !fixed.has(attribute)).sort(),
    random,
  );
  const program = zipf(programs.length, PROGRAM_ZIPF, random);

  const drawn = Array.from({ length: images }, () => {
    let dice = random() * PROGRAMS.reduce((sum, weight) => sum + weight, 0);
    const count = 1 + PROGRAMS.findIndex((weight) => (dice -= weight) < 0);
    const attributes = new Set(world.base);
    if (random() < SHELL_SHARE) for (const attribute of world.shell) attributes.add(attribute);
    for (let n = 0; n < count; n++) attributes.add(programs[program()]!);
    return [...attributes].sort();
  });
  const requests = drawn.map((attributes, image) => {
    const components = [...new Set(attributes.map(componentOf))].sort((a, b) => a - b);
    return ([0, 1] as const).map((revision): Request => ({
      id: image * 2 + revision,
      roots: components,
      revision,
    }));
  });

  const byClient = clientsSeed === undefined ? random : seeded(clientsSeed);
  const image = zipf(images, IMAGE_ZIPF, byClient);
  const had: number[][] = Array.from({ length: clients }, () => []);
  const trace: { client: number; request: Request }[] = [];
  const counted = new Map<string, number>();
  for (let round = 0; round < pulls; round++) {
    const revision = round < pulls / 2 ? 0 : 1;
    for (let client = 0; client < clients; client++) {
      const own = had[client]!;
      const number =
        revision === 1 && byClient() < 0.5 ? own[Math.floor(byClient() * own.length)]! : image();
      own.push(number);
      trace.push({ client, request: requests[number]![revision]! });
      if (revision === 0)
        for (const attribute of drawn[number]!)
          counted.set(attribute, (counted.get(attribute) ?? 0) + 1);
    }
  }
  const first = clients * Math.ceil(pulls / 2);
  return {
    pulls: trace,
    changed: bump(dag, seeded(seed + 1)),
    demand: new Map([...counted].map(([attribute, count]) => [attribute, count / first])),
    roots,
  };
}

/** Components that a new revision changes: some drawn by lot, and all that refer to them. */
function bump(dag: Dag, random: () => number): Uint8Array {
  const above = new Int32Array(dag.count);
  const mark = new Int32Array(dag.count).fill(-1);
  for (const { component } of dag.roots)
    for (const found of reach(dag, component, mark, component)) above[found]!++;
  const changed = new Uint8Array(dag.count);
  for (let component = 0; component < dag.count; component++) {
    const lot = random() < CHANGED_SHARE && above[component]! <= MOST_ABOVE * dag.roots.length;
    if (lot || dag.references[component]!.some((target) => changed[target] === 1))
      changed[component] = 1;
  }
  return changed;
}
