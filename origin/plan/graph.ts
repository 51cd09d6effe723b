/**
 * The reference graph of a whole package set, as plan sources hand it over, and its form without
 * cycles that the algorithms work on.
 */

/** One store path (or Debian package) of the set. */
export interface GraphNode {
  /** Unique in the graph: a store path, or any other name. */
  readonly id: string;
  /** Store path's name without the hash: `git-2.39.5`. Several nodes may bear the same. */
  readonly name: string;
  /** NAR bytes, or an estimate; only ratios matter. */
  readonly size: number;
  /** Ids of the nodes it refers to. Unknown ids and its own are passed over. */
  readonly references: readonly string[];
  /** Attributes that a client can request and that this node is the output of. */
  readonly roots?: readonly string[];
}

/**
 * The graph with every cycle condensed into one component (store paths have no cycles between them,
 * Debian's packages do). Components are numbered so that references always lead to a lower number:
 * 0 … count-1 is a build order.
 */
export interface Dag {
  readonly count: number;
  /** Nodes of each component, sorted by id. */
  readonly members: readonly (readonly GraphNode[])[];
  readonly size: Float64Array;
  /** Components referred to, unique and ascending, without itself. */
  readonly references: readonly Int32Array[];
  /** Components that can be requested. */
  readonly roots: readonly { readonly component: number; readonly attributes: readonly string[] }[];
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Condenses cycles (Tarjan's strongly connected components, iterative: chains of references are
 * thousands deep). The order of `nodes` does not matter.
 */
export function condense(nodes: readonly GraphNode[]): Dag {
  const sorted = [...nodes].sort((a, b) => byText(a.id, b.id));
  const numberOf = new Map<string, number>();
  sorted.forEach((node, number) => {
    if (numberOf.has(node.id))
      throw new Error(`the reference graph has two nodes named ${node.id}`);
    numberOf.set(node.id, number);
  });
  const edges = sorted.map((node, number) => {
    const targets = new Set<number>();
    for (const id of node.references) {
      const target = numberOf.get(id);
      if (target !== undefined && target !== number) targets.add(target);
    }
    return Int32Array.from(targets).sort();
  });

  const UNSEEN = -1;
  const component = new Int32Array(sorted.length).fill(UNSEEN);
  const order = new Int32Array(sorted.length).fill(UNSEEN);
  const low = new Int32Array(sorted.length);
  const position = new Int32Array(sorted.length);
  const open: number[] = [];
  const path: number[] = [];
  const members: GraphNode[][] = [];
  let seen = 0;
  for (let start = 0; start < sorted.length; start++) {
    if (order[start] !== UNSEEN) continue;
    path.push(start);
    while (path.length > 0) {
      const node = path[path.length - 1]!;
      if (order[node] === UNSEEN) {
        order[node] = low[node] = seen++;
        open.push(node);
      }
      const targets = edges[node]!;
      let deeper = false;
      while (position[node]! < targets.length) {
        const target = targets[position[node]!]!;
        if (order[target] === UNSEEN) {
          path.push(target);
          deeper = true;
          break;
        }
        if (component[target] === UNSEEN) low[node] = Math.min(low[node]!, low[target]!);
        position[node]!++;
      }
      if (deeper) continue;
      path.pop();
      if (low[node] !== order[node]) continue;
      const own: GraphNode[] = [];
      for (let member = -1; member !== node;) {
        member = open.pop()!;
        component[member] = members.length;
        own.push(sorted[member]!);
      }
      members.push(own.sort((a, b) => byText(a.id, b.id)));
    }
  }

  const size = new Float64Array(members.length);
  const targets = members.map(() => new Set<number>());
  const attributes = members.map(() => new Set<string>());
  sorted.forEach((node, number) => {
    const own = component[number]!;
    size[own]! += node.size;
    for (const target of edges[number]!)
      if (component[target] !== own) targets[own]!.add(component[target]!);
    for (const attribute of node.roots ?? []) attributes[own]!.add(attribute);
  });
  return {
    count: members.length,
    members,
    size,
    references: targets.map((set) => Int32Array.from(set).sort()),
    roots: attributes.flatMap((set, number) =>
      set.size > 0 ? [{ component: number, attributes: [...set].sort(byText) }] : [],
    ),
  };
}

/**
 * All components that `start` reaches, itself among them. `mark` is scratch space of `dag.count`,
 * `stamp` a value not used in it before.
 */
export function reach(dag: Dag, start: number, mark: Int32Array, stamp: number): number[] {
  const found = [start];
  mark[start] = stamp;
  for (let n = 0; n < found.length; n++) {
    for (const target of dag.references[found[n]!]!) {
      if (mark[target] === stamp) continue;
      mark[target] = stamp;
      found.push(target);
    }
  }
  return found;
}

/** The nodes that none of these attributes' packages reaches. */
export function withoutClosures(
  nodes: readonly GraphNode[],
  attributes: readonly string[],
): GraphNode[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const open = nodes.filter(({ roots = [] }) => roots.some((root) => attributes.includes(root)));
  const reached = new Set(open);
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    for (const id of node.references) {
      const target = byId.get(id);
      if (target === undefined || reached.has(target)) continue;
      reached.add(target);
      open.push(target);
    }
  }
  return nodes.filter((node) => !reached.has(node));
}
