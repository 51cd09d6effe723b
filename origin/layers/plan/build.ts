/**
 * Makes a layer plan from a package set's whole reference graph and from what is pulled how often.
 *
 * 1. Cycles are condensed (graph.ts), so that what is left is a DAG; its roots, all requestable packages, hang below one virtual root.
 * 2. Everything below one child of the virtual root in the dominator tree is a class (dominators.ts): in every closure, all of it or nothing, so that one layer for all of it
 *    costs nothing.
 * 3. A class's demand is the share of pulls whose closure holds it; its score, about demand × size, is what it would cost not to have a layer of its own (score.ts).
 * 4. Thresholds on the score are the levels: the higher, the fewer layers of their own, the more in each package's rest (cut.ts). An image takes the finest that fits (edge/image/levels.ts).
 *
 *   git ─→ gitlib                sizes: git 30, gitlib 6, openssl 8, curl 1, glibc 40, idn 2      pulls: git 70 %, curl 50 %
 *    ├──→ openssl ─→ glibc ─→ idn
 *   curl ──→ ┘
 *
 *   roots git, curl; openssl is reached through both, so it is a child of the virtual root too; glibc and idn only through openssl, gitlib only through git:
 *   classes   {git gitlib} demand .7 size 36    {openssl glibc idn} demand .85 size 50    {curl} demand .5 size 1
 *   scores    25                                43                                        0.5
 *   threshold 10:  git = [openssl glibc idn] [git gitlib]      curl = [openssl glibc idn] [rest: curl]      both: 3 layers
 *   threshold 30:  git = [openssl glibc idn] [rest: git gitlib]   and so on, with the same layers here since there is one class below
 *
 * The same graph and demand give the same plan, byte for byte, in whatever order they come: nodes are sorted by id, classes by score and then by their first name.
 */
import { UNREACHED, rootChildren } from "./dominators.ts";
import { condense, type Dag, type GraphNode, reach } from "./graph.ts";
import { type LayerPlan, PLAN_VERSION } from "./plan.ts";
import { DUST_SCORE, scoreOf, THRESHOLDS } from "./score.ts";

/** Attribute → share of pulls that ask for it, 0 to 1, meta-packages applied. */
export type Demand = ReadonlyMap<string, number>;

/** A pull of certain demand would have an infinite logarithm. */
const MOST_DEMAND = 1 - 1e-9;
/** Requested packages of an image when nobody counted. */
const USUAL_PACKAGES = 3;
/** Significant digits of the plan's numbers: the last bits of a logarithm may differ between machines, and must not give another plan. */
const DIGITS = 6;

export interface PlanOptions {
  /** What was counted; attributes that are not in it were not pulled. Without it every attribute is wanted as much as any other, but for `usual`. */
  readonly demand?: Demand;
  /** Shares that are known without counting: the packages of every image (1) and of `shell` (about half). */
  readonly usual?: Demand;
}

/** The layer plan of a package set. `nodes` in any order. */
export function buildPlan(nodes: readonly GraphNode[], { demand, usual = new Map() }: PlanOptions = {}): LayerPlan {
  const dag = condense(nodes);
  const child = rootChildren(dag);
  const shares = demandOf(dag, shareOfAttribute(dag, demand, usual));
  const sizes = new Float64Array(dag.count);
  child.forEach((top, component) => {
    if (top !== UNREACHED) sizes[top]! += dag.size[component]!;
  });

  // A name that several classes bear cannot tell them apart: it is a class of its own, wanted as much as the most wanted of them.
  const tops = new Map<string, Set<number>>();
  const named = new Map<string, number>();
  child.forEach((top, component) => {
    if (top === UNREACHED) return;
    for (const { name, size } of dag.members[component]!) {
      const known = tops.get(name);
      if (known) known.add(top);
      else tops.set(name, new Set([top]));
      named.set(name, Math.max(size, named.get(name) ?? 0));
    }
  });
  const classes = new Map<string, { names: string[]; demand: number; size: number }>();
  for (const name of [...tops.keys()].sort()) {
    const [top, ...others] = [...tops.get(name)!];
    const alone = others.length > 0;
    const id = alone ? name : ` ${top}`;
    const found = classes.get(id);
    if (found) found.names.push(name);
    else if (alone) classes.set(id, { names: [name], demand: round(Math.max(...[...tops.get(name)!].map((each) => shares[each]!))), size: round(named.get(name)!) });
    else classes.set(id, { names: [name], demand: round(shares[top!]!), size: round(sizes[top!]!) });
  }
  const kept = [...classes.values()]
    .filter((known) => scoreOf(known) >= DUST_SCORE)
    .sort((a, b) => scoreOf(b) - scoreOf(a) || (a.names[0]! < b.names[0]! ? -1 : 1));
  const names = kept.flatMap(({ names: own }, number) => own.map((name) => [name, number] as const)).sort(([a], [b]) => (a < b ? -1 : 1));
  return { version: PLAN_VERSION, thresholds: [...THRESHOLDS], classes: kept.map(({ demand: share, size }) => [share, size]), names: Object.fromEntries(names) };
}

function shareOfAttribute(dag: Dag, demand: Demand | undefined, usual: Demand): (attribute: string) => number {
  const attributes = dag.roots.length;
  return (attribute) => (demand ? demand.get(attribute) : undefined) ?? usual.get(attribute) ?? (demand ? 0 : Math.min(1, USUAL_PACKAGES / attributes));
}

/** For each component the share of pulls that hold it: that ask for at least one of the packages above it, taken as independent of each other. */
function demandOf(dag: Dag, share: (attribute: string) => number): Float64Array {
  const logs = new Float64Array(dag.count);
  const mark = new Int32Array(dag.count).fill(-1);
  for (const { component, attributes } of dag.roots) {
    // Several attributes of one package are as wanted as the most wanted: who asks for one rarely asks for the other.
    const wanted = Math.min(MOST_DEMAND, Math.max(...attributes.map(share)));
    if (wanted <= 0) continue;
    for (const found of reach(dag, component, mark, component)) logs[found]! += Math.log1p(-wanted);
  }
  return logs.map((sum) => -Math.expm1(sum));
}

const round = (value: number): number => Number(value.toPrecision(DIGITS));
