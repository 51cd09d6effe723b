/** The starter set's graph, from its lock alone: it builds and fetches nothing. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { byName } from "../../../edge/contract/by-name.ts";
import type { System } from "../../../edge/contract/records.ts";
import { componentOf } from "../component.ts";
import type { GraphNode } from "../graph.ts";

const ARCHITECTURES: Readonly<Record<System, string>> = {
  "x86_64-linux": "amd64",
  "aarch64-linux": "arm64",
};
/**
 * As much of the lock (origin/starter/lock.ts) as this reads; `installed` is Debian's
 * Installed-Size in bytes.
 */
const LockSchema = v.object({
  attributes: byName(v.string(), v.string()),
  debs: byName(v.string(), v.object({ installed: v.number() })),
  units: byName(
    v.string(),
    v.object({
      pname: v.string(),
      version: v.string(),
      debs: v.array(v.string()),
      deps: v.array(v.string()),
    }),
  ),
});

/** The graph of the starter set in `dir` (what `prepareStarter` returned) for one system. */
export async function starterGraph(dir: string, system: System): Promise<GraphNode[]> {
  return lockGraph(await readFile(join(dir, `lock-${ARCHITECTURES[system]}.json`), "utf8"));
}

export function lockGraph(text: string): GraphNode[] {
  const lock = v.parse(LockSchema, JSON.parse(text));
  const roots = new Map<string, string[]>();
  for (const [attribute, unit] of Object.entries(lock.attributes))
    roots.set(unit, [...(roots.get(unit) ?? []), componentOf(attribute)]);
  return Object.entries(lock.units).map(([id, { pname, version, debs, deps }]) => ({
    id,
    name: `${pname}-${version}`,
    size: debs.reduce((sum, deb) => sum + (lock.debs[deb]?.installed ?? 0), 0),
    references: deps,
    roots: roots.get(id) ?? [],
  }));
}
