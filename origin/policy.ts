/**
 * The operator's package policy at an origin. The edge has already checked its own policy; an
 * origin checks again, so that an edge with another policy cannot have it build what this operator
 * denies.
 */
import { firstMatch } from "../edge/contract/globs.ts";
import type { Item, Result } from "../edge/contract/items.ts";
import { BASE_PACKAGES, SHELL_PACKAGES } from "../edge/contract/names.ts";
import { type PackagePolicy, policyRefusal } from "../edge/contract/package-policy.ts";

/** In images whatever the policy says: nobody has to request them. */
const IMPLIED = new Set([...BASE_PACKAGES, ...SHELL_PACKAGES]);

/**
 * Has `work` do the items that the policy allows; the others fail without being evaluated. Returns
 * one result for each item, in order.
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
      // A set that the allow list does not name may contain packages that it does.
      const denied = firstMatch(policy.deny, item.path.join("."));
      return denied === undefined ? undefined : policyRefusal(policy, item.path.join("."));
    }
  }
}
