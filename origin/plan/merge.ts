/**
 * Joins classes that are nearly always pulled together, so that a hundred small libraries of one
 * desktop are a few layers.
 *
 * A group of classes is cut anew for every package: its layer contains those of its classes that
 * are in the package's closure. A client that pulls several cuts of a group fetches their common
 * classes once for each. What a client is expected to fetch of a group is
 *
 *   bytes(group)  = Σ over its cuts  bytes of the cut × (1 − e^(−PULLS × load of the cut))
 *   layers(group) = Σ over its cuts  (1 − e^(−PULLS × load of the cut))
 *
 * where a cut's load is the number of packages with that cut in a mean pull, and the last factor
 * the chance that a client fetches it in PULLS pulls. Two groups are joined when the bytes that
 * this adds, for each layer that it saves, are fewer than a layer costs. For example, A refers to B
 * (so every closure with A has B), B is 1 MB, PULLS is 12:
 *
 *   loads             apart, fetched by    joined, cuts fetched by   joining adds and saves
 *   A .10, B .11      A 70 %, B 73 %       AB 70 %, B .01 11 %       0.08 MB, 0.62 layers: joined
 *   A .10, B .90      A 70 %, B 100 %      AB 70 %, B .80 100 %      0.70 MB, 0.00 layers: apart
 *
 * Groups grow greedily by joins of the offered pairs, the cheapest first. A price is computed again
 * when its pair is taken from the queue, not whenever a neighbour changes: glibc has thousands of
 * neighbours.
 */
import { Heap } from "./heap.ts";
import { chance, gainOf, LAYER_COST } from "./score.ts";

/**
 * Groups with more cuts together than this are not joined: cuts that differ in every package are
 * not shared. In simulation clients fetch less with 32 than with 16 or 256, and less is stored; and
 * a plan for 60,000 packages takes seconds.
 */
const MAX_CUTS = 32;

/** Two classes that may be joined, the lower number first. */
export type Pair = readonly [number, number];

/** Classes, the packages that contain them, and which may be joined. */
export interface Classes {
  readonly sizes: readonly number[];
  /** By class: the packages whose closure contains it, ascending. */
  readonly users: readonly Int32Array[];
  /** By package how often it is in a mean pull. */
  readonly loads: Float64Array;
  /** Each pair once. */
  readonly pairs: readonly Pair[];
}

interface Expected {
  readonly bytes: number;
  readonly layers: number;
}

/** A group of classes. `cuts[n]` is the cut that the package `users[n]` has of it. */
interface Group extends Expected {
  readonly users: Int32Array;
  readonly cuts: Int32Array;
  readonly cutLoads: readonly number[];
  readonly cutSizes: readonly number[];
}

interface Join {
  readonly a: number;
  readonly b: number;
  /** How many joins the two groups had behind them when the price was computed. */
  readonly grown: number;
  /** Bytes fetched more than once, for each layer saved. */
  readonly price: number;
}

export interface Merged {
  /** For each class the number of its group: the lowest number of a class in it. */
  readonly groupOf: Int32Array;
  /** By group what a layer of its own saves a client; 0 for numbers that are no group's. */
  readonly gains: readonly number[];
}

/** Joins classes into groups; joins of the same price in the order of the classes' numbers. */
export function mergeClasses({ sizes, users, loads, pairs }: Classes): Merged {
  const groups = users.map((own, number): Group | undefined => {
    const load = own.reduce((sum, user) => sum + loads[user]!, 0);
    return {
      users: own,
      cuts: new Int32Array(own.length),
      cutLoads: [load],
      cutSizes: [sizes[number]!],
      ...expected([load], [sizes[number]!]),
    };
  });
  const queue = new Heap<Join>((x, y) => x.price - y.price || x.a - y.a || x.b - y.b);
  const offer = (a: number, b: number, grown: number, both: Expected): void => {
    const saved = groups[a]!.layers + groups[b]!.layers - both.layers;
    const price = Math.max(0, both.bytes - groups[a]!.bytes - groups[b]!.bytes) / saved;
    if (saved > 0 && price < LAYER_COST)
      queue.push({ a: Math.min(a, b), b: Math.max(a, b), grown, price });
  };
  for (const [a, b] of pairs) {
    const both = commonLoad(users[a]!, users[b]!, loads);
    const alone = (number: number): number => Math.max(0, groups[number]!.cutLoads[0]! - both);
    const [sizeA, sizeB] = [sizes[a]!, sizes[b]!];
    offer(a, b, 0, expected([both, alone(a), alone(b)], [sizeA + sizeB, sizeA, sizeB]));
  }

  const top = Int32Array.from(sizes, (_, number) => number);
  const find = (number: number): number => {
    let place = number;
    while (top[place] !== place) place = top[place] = top[top[place]!]!;
    return place;
  };
  const grown = new Int32Array(sizes.length);
  const offered = new Map<number, number>();
  for (let next = queue.pop(); next; next = queue.pop()) {
    const [one, other] = [find(next.a), find(next.b)];
    if (one === other) continue;
    const [a, b] = [Math.min(one, other), Math.max(one, other)];
    const state = grown[a]! + grown[b]!;
    const pair = a * sizes.length + b;
    if (a === next.a && b === next.b && state === next.grown) {
      groups[a] = join(groups[a]!, groups[b]!, loads);
      groups[b] = undefined;
      top[b] = a;
      grown[a] = state + 1;
    } else if (
      offered.get(pair) !== state &&
      groups[a]!.cutSizes.length + groups[b]!.cutSizes.length <= MAX_CUTS
    ) {
      offered.set(pair, state);
      offer(a, b, state, join(groups[a]!, groups[b]!, loads));
    }
  }
  return {
    groupOf: top.map((_, number) => find(number)),
    gains: groups.map((group) => (group ? groupGain(group, loads) : 0)),
  };
}

/** How many packages of a mean pull contain both. */
function commonLoad(a: Int32Array, b: Int32Array, loads: Float64Array): number {
  let sum = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i] === b[j]) sum += loads[a[i]!]!;
    if (a[i]! <= b[j]!) i++;
    else j++;
  }
  return sum;
}

function groupGain(group: Group, loads: Float64Array): number {
  const { cutLoads, cutSizes, users, cuts } = group;
  let inRests = 0;
  users.forEach((user, place) => {
    inRests += chance(loads[user]!) * cutSizes[cuts[place]!]!;
  });
  // Without any load there is no mean: the largest cut counts.
  const load = cutLoads.reduce((sum, each) => sum + each, 0);
  const size =
    load > 0
      ? cutSizes.reduce((sum, each, cut) => sum + each * cutLoads[cut]!, 0) / load
      : Math.max(...cutSizes);
  return gainOf({ inRests, inLayers: group.bytes, layers: group.layers, size });
}

/** What a client fetches, by the cuts of a group. */
function expected(cutLoads: readonly number[], cutSizes: readonly number[]): Expected {
  let bytes = 0;
  let layers = 0;
  cutLoads.forEach((load, cut) => {
    const met = chance(load);
    bytes += met * cutSizes[cut]!;
    layers += met;
  });
  return { bytes, layers };
}

/** Joins two groups: a package's cut of the new group consists of its cuts of both. */
function join(a: Group, b: Group, loads: Float64Array): Group {
  const users: number[] = [];
  const cuts: number[] = [];
  const cutLoads: number[] = [];
  const cutSizes: number[] = [];
  const numbers = new Map<number, number>();
  const width = b.cutSizes.length + 1;
  for (let i = 0, j = 0; i < a.users.length || j < b.users.length;) {
    const user = Math.min(
      a.users[i] ?? Number.POSITIVE_INFINITY,
      b.users[j] ?? Number.POSITIVE_INFINITY,
    );
    const first = a.users[i] === user ? a.cuts[i++]! : -1;
    const second = b.users[j] === user ? b.cuts[j++]! : -1;
    const pair = (first + 1) * width + second + 1;
    let cut = numbers.get(pair);
    if (cut === undefined) {
      numbers.set(pair, (cut = cutSizes.length));
      cutSizes.push((a.cutSizes[first] ?? 0) + (b.cutSizes[second] ?? 0));
      cutLoads.push(0);
    }
    cutLoads[cut]! += loads[user]!;
    users.push(user);
    cuts.push(cut);
  }
  return {
    users: Int32Array.from(users),
    cuts: Int32Array.from(cuts),
    cutLoads,
    cutSizes,
    ...expected(cutLoads, cutSizes),
  };
}
