/**
 * The embedded package set's graph, locked from this machine's package lists as an origin would
 * lock it; sizes are Debian's Installed-Size.
 */
import { readFile } from "node:fs/promises";
import { BASE_PACKAGES, SHELL_PACKAGES } from "../../../edge/contract/names.ts";
import { lockGraph } from "../../../origin/plan/sources/lock.ts";
import { makeLock } from "../../../origin/starter/lock.ts";
import { indexPackages } from "../../../origin/starter/packages-file.ts";
import { installedSize, packageLists, paragraphs } from "./debian.ts";
import type { World } from "./world.ts";

const RECIPE = new URL("../../../nix/starter/packages.json", import.meta.url);

/** Null when apt has no package lists. */
export async function starterWorld(): Promise<World | null> {
  const lists = await packageLists();
  if (lists.length === 0) return null;
  const { lock } = makeLock(
    "amd64",
    indexPackages(lists),
    JSON.parse(await readFile(RECIPE, "utf8")),
  );
  const sizes = new Map<string, number>();
  for (const { text } of lists)
    for (const fields of paragraphs(text)) sizes.set(fields.get("Package")!, installedSize(fields));
  const debs = Object.fromEntries(
    Object.keys(lock.debs).map((name) => [name, { installed: sizes.get(name) ?? 0 }]),
  );
  return {
    name: "starter",
    nodes: lockGraph(JSON.stringify({ ...lock, debs })),
    shell: SHELL_PACKAGES,
    base: BASE_PACKAGES,
  };
}
