/** The closures of packages, cut into parts by the layer plan. */
import type { Failure } from "../../edge/contract/items.ts";
import { queryClosure } from "../nix/build/closure.ts";
import { closureFailure, withDefaults } from "../nix/limits.ts";
import type { BuiltPackage, Closure, StorePathInfo } from "../nix/types.ts";
import { type Cut, cutClosure } from "../plan/index.ts";
import type { PlanStore } from "../plan/plans.ts";
import type { PublishContext } from "./context.ts";

export interface CutPackage {
  readonly built: BuiltPackage;
  readonly narHash: string;
  readonly closure: Closure;
  readonly cut: Cut;
}

/**
 * Cuts the closure of each package into parts. Returns the packages by name, and the failures of
 * those whose closures exceed the limits.
 */
export async function cut(
  built: readonly BuiltPackage[],
  basePaths: readonly string[],
  plan: Awaited<ReturnType<PlanStore["load"]>>,
  { limits, readClosure = queryClosure }: Pick<PublishContext, "limits" | "readClosure">,
): Promise<{ packages: Map<string, CutPackage>; tooLarge: Map<string, Failure> }> {
  const packages = new Map<string, CutPackage>();
  const tooLarge = new Map<string, Failure>();
  if (built.length === 0) return { packages, tooLarge };
  const closure = await readClosure([...basePaths, ...built.map(({ storePath }) => storePath)]);
  const base = reachable(basePaths, closure);
  for (const pkg of built) {
    const own = reachable([pkg.storePath], closure);
    const excess = closureFailure(pkg.name, own, withDefaults(limits));
    if (excess !== undefined) {
      tooLarge.set(pkg.name, excess);
      continue;
    }
    packages.set(pkg.name, {
      built: pkg,
      narHash: infoOf(pkg.storePath, closure).narHash,
      closure: own,
      cut: await cutClosure(plan, pkg.storePath, own, base),
    });
  }
  return { packages, tooLarge };
}

/** The part of a closure that some of its store paths reach. */
function reachable(
  roots: readonly string[],
  all: ReadonlyMap<string, StorePathInfo>,
): Map<string, StorePathInfo> {
  const found = new Map<string, StorePathInfo>();
  const open = [...roots];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    const info = infoOf(path, all);
    found.set(path, info);
    open.push(...info.references);
  }
  return found;
}

function infoOf(path: string, closure: ReadonlyMap<string, StorePathInfo>): StorePathInfo {
  const info = closure.get(path);
  if (info === undefined) throw new Error(`Nix's database has no entry for ${path}`);
  return info;
}
