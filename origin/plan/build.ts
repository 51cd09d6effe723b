/**
 * Makes a layer plan from a package set's whole reference graph and from what is pulled how often.
 *
 * 1. Cycles are condensed (graph.ts), so that what is left is a DAG; its roots, all requestable
 *    packages, hang below one virtual root.
 * 2. Everything below one child of the virtual root in the dominator tree is a class
 *    (dominators.ts): in every closure, all of it or nothing, so that one layer for all of it costs
 *    nothing. Classes that are nearly always together are joined, as long as that saves clients
 *    more layers than it costs them bytes (merge.ts).
 * 3. A class's load is the number of packages holding it in a mean pull; its score, about load ×
 *    size, is what it costs to have no layer of its own (score.ts).
 * 4. Thresholds on the score are the levels: the higher, the fewer layers of their own, the more in
 *    each package's rest (cut.ts). An image takes the finest that fits (edge/contract/levels.ts).
 *
 *   git ──→ gitlib                       sizes, MB: git 30, gitlib 6, openssl 8, glibc 40, idn 2, curl 1        pulls: git 70 %, curl 50 %
 *    └────→ openssl ──→ glibc ──→ idn
 *   curl ─────┘
 *
 *   Roots are git and curl. openssl is reached through both, so it is a child of the virtual root too; glibc and idn only through openssl, gitlib only through git:
 *   classes       {openssl glibc idn} load 1.2, 50 MB     {git gitlib} load 0.7, 36 MB     {curl} load 0.5, 1 MB
 *   scores, MB    60                                      25                               0.5
 *   below 0.5     git = [openssl glibc idn] [git gitlib]            curl = [openssl glibc idn] [curl]
 *   at 30         git = [openssl glibc idn] [rest: git gitlib]      curl = [openssl glibc idn] [rest: curl]
 *   above 60      git = [everything]                                curl = [everything]
 *
 * The same graph and demand give the same plan, byte for byte, in whatever order they come: nodes
 * are sorted by id, classes by score and then by their first name.
 */
import { UNREACHED } from "./dominators.ts";
import { groupComponents } from "./classes.ts";
import { condense, type GraphNode } from "./graph.ts";
import { type LayerPlan, PLAN_VERSION } from "./plan.ts";
import { DUST_SCORE, scoreOf, THRESHOLDS } from "./score.ts";

/** Attribute → share of pulls that ask for it, 0 to 1, meta-packages applied. */
export type Demand = ReadonlyMap<string, number>;

/** Requested packages of an image when nobody counted. */
const USUAL_PACKAGES = 3;
/**
 * What nobody asked for while pulls were counted is taken to be wanted this much, relative to all
 * packages being wanted equally.
 */
const UNASKED = 1 / 30;
/** Significant digits of the plan's numbers: the last bits of a sum must not make another plan. */
const DIGITS = 6;

export interface PlanOptions {
  /**
   * What was counted; attributes that are not in it are hardly wanted. Without it every attribute
   * is wanted as much as any other, but for `usual`.
   */
  readonly demand?: Demand;
  /**
   * Shares that are known without counting: the packages of every image (1) and of `shell` (about
   * half).
   */
  readonly usual?: Demand;
}

interface Class {
  readonly names: string[];
  readonly load: number;
  readonly size: number;
}

/**
 * What is known of a name: the classes of the paths that bear it, the largest size and load of one.
 */
interface Named {
  readonly classes: Set<number>;
  size: number;
  load: number;
}

/** The layer plan of a package set. `nodes` in any order. */
export function buildPlan(
  nodes: readonly GraphNode[],
  { demand, usual = new Map() }: PlanOptions = {},
): LayerPlan {
  const dag = condense(nodes);
  const { classOf, sizes, loads, componentLoads } = groupComponents(
    dag,
    shareOf(dag.roots.length, demand, usual),
  );
  const named = new Map<string, Named>();
  classOf.forEach((number, component) => {
    if (number === UNREACHED) return;
    for (const { name, size } of dag.members[component]!) {
      const known: Named = named.get(name) ?? { classes: new Set(), size: 0, load: 0 };
      named.set(name, known);
      known.classes.add(number);
      known.size = Math.max(known.size, size);
      known.load = Math.max(known.load, componentLoads[component]!);
    }
  });

  const classes = new Map<number | string, Class>();
  for (const [name, { classes: own, load, size }] of [...named].sort(([a], [b]) =>
    a < b ? -1 : 1,
  )) {
    const [number = UNREACHED] = own;
    // A name that several classes bear cannot tell them apart: it is a class of its own.
    const id = own.size === 1 ? number : name;
    const found = classes.get(id);
    if (found) found.names.push(name);
    else
      classes.set(
        id,
        own.size === 1
          ? { names: [name], load: round(loads[number]!), size: round(sizes[number]!) }
          : { names: [name], load: round(load), size: round(size) },
      );
  }
  const kept = [...classes.values()]
    .filter((each) => scoreOf(each) >= DUST_SCORE)
    .sort((a, b) => scoreOf(b) - scoreOf(a) || (a.names[0]! < b.names[0]! ? -1 : 1));
  const names = kept.flatMap((each, number) =>
    each.names.map((name) => [name, [number, round(named.get(name)!.load)]] as const),
  );
  return {
    version: PLAN_VERSION,
    thresholds: [...THRESHOLDS],
    classes: kept.map(({ load, size }) => [load, size]),
    names: Object.fromEntries(
      names
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, [number, load]]) => [name, [number, load]]),
    ),
  };
}

function shareOf(
  packages: number,
  demand: Demand | undefined,
  usual: Demand,
): (attribute: string) => number {
  const uniform = Math.min(1, USUAL_PACKAGES / packages);
  const unknown = demand ? uniform * UNASKED : uniform;
  return (attribute) => demand?.get(attribute) ?? usual.get(attribute) ?? unknown;
}

const round = (value: number): number => Number(value.toPrecision(DIGITS));
