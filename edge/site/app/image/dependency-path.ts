/** Why a store path is in an image: the shortest path to it from a package of the image. Pure. */

export interface Node {
  readonly references: readonly number[];
  readonly packages: readonly string[];
}

/** Indexes from a package's own store path to this one; empty when no package needs it. */
export function wayTo(target: number, nodes: readonly Node[]): number[] {
  const roots = nodes.flatMap(({ packages }, at) => (packages.length > 0 ? [at] : []));
  const cameFrom = new Map<number, number>(roots.map((root) => [root, -1]));
  const open = [...roots];
  for (let next = 0; next < open.length && !cameFrom.has(target); next += 1) {
    const at = open[next] as number;
    for (const reference of nodes[at]?.references ?? []) {
      if (cameFrom.has(reference)) continue;
      cameFrom.set(reference, at);
      open.push(reference);
    }
  }
  const way: number[] = [];
  for (let at = cameFrom.has(target) ? target : -1; at >= 0; at = cameFrom.get(at) ?? -1)
    way.push(at);
  return way.reverse();
}
