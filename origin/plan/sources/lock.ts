/** The graph of the starter set, from its lock: nothing is built or fetched. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { byName } from "../../../edge/contract/by-name.ts";
import { PLATFORMS, type System } from "../../../edge/contract/records.ts";
import { componentOf } from "../component.ts";
import type { GraphNode } from "../graph.ts";

/** The needed part of the lock (origin/starter/lock.ts); `installed`: Installed-Size in bytes. */
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
  const file = join(dir, `lock-${PLATFORMS[system].architecture}.json`);
  return lockGraph(await readFile(file, "utf8"));
}

/** The graph of a lock's text. Throws when it is not one. */
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
