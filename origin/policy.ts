/**
 * The operator's package policy at an origin. The edge has checked it already; an origin checks it
 * again, so that an edge that was set up otherwise has nothing built that this operator denies.
 */
import { firstMatch } from "../edge/contract/globs.ts";
import type { Item, Result } from "../edge/contract/items.ts";
import { BASE_PACKAGES, SHELL_PACKAGES } from "../edge/contract/names.ts";
import { type PackagePolicy, policyRefusal } from "../edge/contract/package-policy.ts";

/** In images whatever the policy says: nobody has to ask for them. */
const IMPLIED = new Set([...BASE_PACKAGES, ...SHELL_PACKAGES]);

/**
 * Has `work` do those items that the policy allows; the others fail without an evaluation. One
 * result for each item, in their order.
 */
export async function withPolicy<T extends Item>(
  policy: PackagePolicy,
  items: readonly T[],
  work: (allowed: readonly T[]) => Promise<readonly Result[]>,
): Promise<Result[]> {
  const refusals = items.map((item) => refusalOf(policy, item));
  const allowed = items.filter((_, at) => refusals[at] === undefined);
  const results = [...(allowed.length > 0 ? await work(allowed) : [])];
  return refusals.flatMap((message): Result[] => {
    if (message !== undefined)
      return [{ kind: "failure", failure: { reason: "unknown", message } }];
    const result = results.shift();
    return result === undefined ? [] : [result];
  });
}

function refusalOf(policy: PackagePolicy, item: Item): string | undefined {
  switch (item.kind) {
    case "tag":
      return undefined;
    case "package":
      return IMPLIED.has(item.name) ? undefined : policyRefusal(policy, item.name);
    case "index": {
      // A set that is not on the list of what is allowed may hold packages that are.
      const denied = firstMatch(policy.deny, item.path.join("."));
      return denied === undefined ? undefined : policyRefusal(policy, item.path.join("."));
    }
  }
}
