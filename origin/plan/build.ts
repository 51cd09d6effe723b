/**
 * Makes a layer plan from the reference graph of a whole package set, and from how often each
 * package is pulled.
 *
 * 1. Cycles are condensed (graph.ts), which leaves a DAG. All requestable packages are children of
 * one
 *    virtual root.
 * 2. Everything below one child of the virtual root in the dominator tree is a class
 * (dominators.ts):
 *    every closure contains all of it or nothing, so that one layer for it costs no client a byte too
 *    many. Classes that are nearly always together are joined, as long as the layers that this saves
 *    are worth more than the bytes it costs (merge.ts).
 * 3. The gain of a class is what a layer of its own saves a client, compared with a place in the
 * rest
 *    of each package that contains it (score.ts). Classes that gain nothing are left out of the plan.
 * 4. Each threshold on the gain gives a level: the higher it is, the fewer classes have a layer of
 *    their own, and the more is in each package's rest (cut.ts). An image takes the finest level that
 *    fits (edge/contract/levels.ts).
 *
 * The closures of the base packages are in every image, as one layer (cut.ts), and not in the plan.
 *
 *   git ──→ gitlib                       MB: git 30, gitlib 6, openssl 8, glibc 40, idn 2, curl 1
 *    └────→ openssl ──→ glibc ──→ idn    pulls: git 70 %, curl 50 %
 *   curl ─────┘
 *
 *   Roots are git and curl. openssl is reached through both, so it is a child of the virtual root
 *   too; glibc and idn only through openssl, gitlib only through git:
 *   classes       {openssl glibc idn} 50 MB       {git gitlib} 36 MB       {curl} 1 MB
 *   In 12 pulls a client meets git with certainty (100 %), and curl too (99.8 %).
 *   in rests      50 + 50 MB moved                36                       1
 *   own layer     50 MB and one layer (4 MB)      36 + 4                   1 + 4
 *   gain          46, and 10 for storing once     −4, + 7.2                −4, + 0.2
 *
 *                 git                                      curl
 *   level 0       [openssl glibc idn] [git gitlib]         [openssl glibc idn] [rest: curl]
 *   level 1       [openssl glibc idn] [rest: git gitlib]   [openssl glibc idn] [rest: curl]
 *   level 2       [everything]                             [everything]
 *
 * The same graph and demand give the same plan, byte for byte, in whatever order they come: nodes
 * are sorted by id, classes by gain and then by their first name.
 */
import { UNREACHED } from "./dominators.ts";
import { groupComponents } from "./classes.ts";
import { cutGroups } from "./cut.ts";
import { condense, type Dag, type GraphNode, reach, withoutClosures } from "./graph.ts";
import { type LayerPlan, PLAN_VERSION } from "./plan.ts";
import { chance, gainOf, OWN_BYTES, SMALL_PARTS, THRESHOLDS } from "./score.ts";

/** Attribute → share of pulls that ask for it, 0 to 1, meta-packages applied. */
export type Demand = ReadonlyMap<string, number>;

/** Packages that an image has, beside those of every image, while pulls are not counted. */
const USUAL_PACKAGES = 3;
/**
 * The same number for joining classes and for gains. It is smaller, since a few packages have most
 * of the pulls, and all others are pulled less than the mean. A smaller number means fewer layers:
 * docker's first pulls of the starter set take 5 % less time by a plan for 1.5 than by one for 2; a
 * dozen pulls together take between 1 % less and 2 % more in simulation (test/bench/layers).
 */
const UNCOUNTED_PACKAGES = 1.5;
/** The same number for packages that nobody has pulled, when pulls are counted. */
const UNASKED_PACKAGES = 0.1;
/** Significant digits of the plan's numbers: a rounding error must not make another plan. */
const DIGITS = 6;

export interface PlanOptions {
  /**
   * Counted demand, in which missing attributes have hardly any. Without it all attributes have the
   * same demand, except those of `usual`.
   */
  readonly demand?: Demand;
  /** Demand that is known without counting: that of the packages of `shell`. */
  readonly usual?: Demand;
  /** The packages of every image. */
  readonly base?: readonly string[];
}

/** What is known of a name: the classes of the paths with this name, and their largest numbers. */
interface Named {
  readonly classes: Set<number>;
  load: number;
  gain: number;
}

/** Makes the layer plan of a package set. The order of `nodes` does not matter. */
export function buildPlan(nodes: readonly GraphNode[], options: PlanOptions = {}): LayerPlan {
  const dag = condense(withoutClosures(nodes, options.base ?? []));
  const share = shareOf(UNCOUNTED_PACKAGES, dag.roots.length, options);
  const { classOf, gains, componentLoads, componentHolders } = groupComponents(dag, share);
  const named = new Map<string, Named>();
  classOf.forEach((number, component) => {
    if (number === UNREACHED) return;
    const load = componentLoads[component]!;
    const [holders, layers] = [componentHolders[component]!, chance(load)];
    for (const { name, size } of dag.members[component]!) {
      const known: Named = named.get(name) ?? { classes: new Set(), load: 0, gain: -Infinity };
      const gain = gainOf({ inRests: holders * size, inLayers: layers * size, layers, size });
      named.set(name, known);
      known.classes.add(number);
      known.load = Math.max(known.load, load);
      known.gain = Math.max(known.gain, gain);
    }
  });

  const classes = new Map<number | string, { readonly gain: number; readonly names: string[] }>();
  for (const [name, { classes: own, gain }] of [...named].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [number = UNREACHED] = own;
    // The name of paths in several classes cannot tell these apart: it is a class of its own.
    const id = own.size === 1 ? number : name;
    const found = classes.get(id);
    if (found) found.names.push(name);
    else classes.set(id, { gain: round(own.size === 1 ? gains[number]! : gain), names: [name] });
  }
  const kept = [...classes.values()]
    .filter(({ gain }) => gain >= THRESHOLDS[0]!)
    .sort((a, b) => b.gain - a.gain || (a.names[0]! < b.names[0]! ? -1 : 1));
  const plan: LayerPlan = {
    version: PLAN_VERSION,
    thresholds: [...THRESHOLDS],
    smallPart: 0,
    gains: kept.map(({ gain }) => gain),
    names: Object.fromEntries(
      kept
        .flatMap((each, number) =>
          each.names.map((name) => [name, [number, round(named.get(name)!.load)]] as const),
        )
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ) as LayerPlan["names"],
  };
  const shareOfPulls = shareOf(USUAL_PACKAGES, dag.roots.length, options);
  return { ...plan, smallPart: smallPartFor(plan, dag, shareOfPulls) };
}

/** The largest of SMALL_PARTS at which the small parts of a mean pull have OWN_BYTES at most. */
function smallPartFor(plan: LayerPlan, dag: Dag, share: (attribute: string) => number): number {
  const own = SMALL_PARTS.map(() => 0);
  const mark = new Int32Array(dag.count).fill(-1);
  for (const { component, attributes } of dag.roots) {
    const load = Math.max(...attributes.map(share));
    const closure = reach(dag, component, mark, component).flatMap((found) =>
      dag.members[found]!.map(({ name, size }) => ({ path: name, narSize: size })),
    );
    const { parts, levels, level } = cutGroups(plan, closure);
    for (const part of levels[level]!) {
      const { size } = parts[part]!;
      SMALL_PARTS.forEach((most, place) => {
        if (size < most) own[place]! += load * size;
      });
    }
  }
  const last = own.findLastIndex((bytes) => bytes <= OWN_BYTES);
  return SMALL_PARTS[Math.max(0, last)]!;
}

function shareOf(
  uncounted: number,
  packages: number,
  { demand, usual }: PlanOptions,
): (attribute: string) => number {
  const unknown = Math.min(1, (demand ? UNASKED_PACKAGES : uncounted) / packages);
  return (attribute) => demand?.get(attribute) ?? usual?.get(attribute) ?? unknown;
}

const round = (value: number): number => Number(value.toPrecision(DIGITS));
