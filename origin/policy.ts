/**
 * The package policy of an origin's operator. The edge has checked its own policy; the origin's may
 * deny more, and no edge can have it build what it denies.
 */
import { firstMatch } from "../edge/contract/globs.ts";
import type { Item, Result } from "../edge/contract/items.ts";
import { BASE_PACKAGES, SHELL_PACKAGES } from "../edge/contract/names.ts";
import { type PackagePolicy, policyRefusal } from "../edge/contract/package-policy.ts";

/** Packages that are allowed whatever the policy says, since images have them without a request. */
const IMPLIED = new Set([...BASE_PACKAGES, ...SHELL_PACKAGES]);

/**
 * Calls `work` with the items that the policy allows; the others fail without being evaluated.
 * Returns one result for each item, in order.
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
      // The allow list may name packages of a set without naming the set.
      const denied = firstMatch(policy.deny, item.path.join("."));
      return denied === undefined ? undefined : policyRefusal(policy, item.path.join("."));
    }
  }
}
