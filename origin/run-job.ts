/**
 * Runs the jobs of an origin: resolves tags, and publishes the indexes and packages that the
 * operator's policy allows.
 */
import type { IndexItem, Item, PackageItem, Result } from "../edge/contract/items.ts";
import type { PackagePolicy } from "../edge/contract/package-policy.ts";
import type { Run, RunContext } from "./channel/index.ts";
import { isDiskFull } from "./disk/full.ts";
import type { Layers } from "./layers/index.ts";
import type { NixLimits } from "./nix/limits.ts";
import type { PackageSet } from "./nix/types.ts";
import { planStore } from "./plan/plans.ts";
import { withPolicy } from "./policy.ts";
import { publishIndexes } from "./publish/indexes.ts";
import { publish } from "./publish/publish.ts";

export interface JobParts {
  readonly packageSet: PackageSet;
  readonly store: Layers;
  readonly policy: PackagePolicy;
  readonly limits: NixLimits;
  /** Nix's version. */
  readonly nix: string;
  readonly onTagResolved: () => void;
  /** A job failed because the disk is full. */
  readonly onFullDisk: () => void;
}

/** Returns what runs the jobs of an origin. */
export function jobRunner(parts: JobParts): Run {
  const results = resultsOf(parts);
  return async (items, context) => {
    try {
      const made = await results(items, context);
      if (made.some((result) => result.kind === "failure" && isDiskFull(result.failure)))
        parts.onFullDisk();
      return made;
    } catch (error) {
      if (isDiskFull(error)) parts.onFullDisk();
      throw error;
    }
  };
}

/** The items of a job are of one kind (contract/messages.ts). */
function resultsOf({ packageSet, store, policy, limits, nix, onTagResolved }: JobParts): Run {
  const plans = planStore();
  return async (items: readonly Item[], context: RunContext): Promise<readonly Result[]> => {
    const [first] = items;
    if (first === undefined) return [];
    if (first.kind === "tag") {
      const revision = await packageSet.resolve(first.tag, context.signal);
      onTagResolved();
      return [{ kind: "revision", revision }];
    }
    const { signal, sign } = context;
    const layers = store.of(context.requests);
    if (first.kind === "index")
      return withPolicy(policy, items.filter(isIndex), (allowed) =>
        publishIndexes(allowed, { packageSet, layers, signal, sign }),
      );
    return withPolicy(policy, items.filter(isPackage), (allowed) =>
      publish(first, allowed, {
        ...context,
        packageSet,
        metadata: (request, names, until) => packageSet.metadata(request, names, until),
        layers,
        plans,
        nix,
        limits,
      }),
    );
  };
}

const isIndex = (item: Item): item is IndexItem => item.kind === "index";
const isPackage = (item: Item): item is PackageItem => item.kind === "package";
