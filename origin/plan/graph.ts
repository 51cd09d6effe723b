/**
 * The reference graph of a whole package set: as the plan's sources (sources/) give it, and without
 * cycles, as the algorithms need it.
 */

/** One store path (or Debian package) of the set. */
export interface GraphNode {
  /** Unique in the graph: a store path, or any other name. */
  readonly id: string;
  /** The store path's name without its hash: `git-2.39.5`. Several nodes may have the same name. */
  readonly name: string;
  /** NAR bytes, or an estimate; only ratios matter. */
  readonly size: number;
  /** Ids of the nodes that it refers to. Unknown ids and its own id are ignored. */
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
 * Condenses cycles. The order of `nodes` does not matter. Throws an Error when two nodes have the
 * same id.
 */
export function condense(nodes: readonly GraphNode[]): Dag {
  const sorted = [...nodes].sort((a, b) => byText(a.id, b.id));
  const edges = edgesOf(sorted);
  return dagOf(sorted, edges, new Components(edges));
}

/** For each node the numbers of the nodes that it refers to, ascending, without its own. */
function edgesOf(nodes: readonly GraphNode[]): Int32Array[] {
  const numberOf = new Map(nodes.map(({ id }, number) => [id, number]));
  return nodes.map((node, number) => {
    if (numberOf.get(node.id) !== number)
      throw new Error(`the reference graph has two nodes named ${node.id}`);
    const targets = new Set<number>();
    for (const id of node.references) {
      const target = numberOf.get(id);
      if (target !== undefined && target !== number) targets.add(target);
    }
    return Int32Array.from(targets).sort();
  });
}

const UNSEEN = -1;

/**
 * The strongly connected components of a graph, by Tarjan's algorithm. The path of the depth-first
 * search is an array instead of the call stack, since chains of references are thousands long. A
 * component is numbered when the search leaves it, which is after everything that it refers to.
 */
class Components {
  /** For each node the number of its component. */
  readonly of: Int32Array;
  count = 0;
  readonly #edges: readonly Int32Array[];
  /** When the search entered a node. */
  readonly #order: Int32Array;
  /** The earliest node on the stack that a node is known to reach, by its place in `#order`. */
  readonly #low: Int32Array;
  /** How many of a node's edges have been followed. */
  readonly #followed: Int32Array;
  /** Nodes that have no component yet, in the order in which they were entered. */
  readonly #stack: number[] = [];
  /** From the start of the search to the current node. */
  readonly #path: number[] = [];
  #entered = 0;

  constructor(edges: readonly Int32Array[]) {
    this.#edges = edges;
    this.of = new Int32Array(edges.length).fill(UNSEEN);
    this.#order = new Int32Array(edges.length).fill(UNSEEN);
    this.#low = new Int32Array(edges.length);
    this.#followed = new Int32Array(edges.length);
    for (let node = 0; node < edges.length; node++)
      if (this.#order[node] === UNSEEN) this.#searchFrom(node);
  }

  #searchFrom(start: number): void {
    this.#enter(start);
    for (let node = this.#path.at(-1); node !== undefined; node = this.#path.at(-1)) {
      const next = this.#nextUnseen(node);
      if (next === undefined) this.#leave(node);
      else this.#enter(next);
    }
  }

  #enter(node: number): void {
    this.#order[node] = this.#low[node] = this.#entered++;
    this.#stack.push(node);
    this.#path.push(node);
  }

  /** Follows the node's edges up to one that leads to a node not entered yet. */
  #nextUnseen(node: number): number | undefined {
    const targets = this.#edges[node]!;
    for (; this.#followed[node]! < targets.length; this.#followed[node]!++) {
      const target = targets[this.#followed[node]!]!;
      if (this.#order[target] === UNSEEN) return target;
      if (this.of[target] === UNSEEN)
        this.#low[node] = Math.min(this.#low[node]!, this.#low[target]!);
    }
    return undefined;
  }

  /** The node reaches nothing earlier than itself: what is above it on the stack is a component. */
  #leave(node: number): void {
    this.#path.pop();
    if (this.#low[node] !== this.#order[node]) return;
    for (let member = UNSEEN; member !== node;) {
      member = this.#stack.pop()!;
      this.of[member] = this.count;
    }
    this.count++;
  }
}

/** The graph of components. `nodes` sorted by id. */
function dagOf(
  nodes: readonly GraphNode[],
  edges: readonly Int32Array[],
  components: Components,
): Dag {
  const { of: component, count } = components;
  const members = Array.from({ length: count }, (): GraphNode[] => []);
  const size = new Float64Array(count);
  const targets = members.map(() => new Set<number>());
  const attributes = members.map(() => new Set<string>());
  nodes.forEach((node, number) => {
    const own = component[number]!;
    members[own]!.push(node);
    size[own]! += node.size;
    for (const target of edges[number]!)
      if (component[target] !== own) targets[own]!.add(component[target]!);
    for (const attribute of node.roots ?? []) attributes[own]!.add(attribute);
  });
  return {
    count,
    members,
    size,
    references: targets.map((set) => Int32Array.from(set).sort()),
    roots: attributes.flatMap((set, number) =>
      set.size > 0 ? [{ component: number, attributes: [...set].sort(byText) }] : [],
    ),
  };
}

/**
 * All components that `start` reaches, itself included. `mark` is scratch space of length
 * `dag.count`, which many calls share; `stamp` is a value that no earlier call put into it.
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

/** The nodes that are in the closure of none of these attributes. */
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
