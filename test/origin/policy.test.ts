/** The package policy at an origin: what it denies is never worked on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Item, Result } from "../../edge/contract/items.ts";
import { packagePolicy, type PackagePolicy } from "../../edge/contract/package-policy.ts";
import { withPolicy } from "../../origin/policy.ts";

const scope = {
  packageSet: "starter",
  revision: "0".repeat(40),
  system: "x86_64-linux",
} as const;
const pkg = (name: string): Item => ({ kind: "package", ...scope, plan: "none", name });
const index = (...path: string[]): Item => ({ kind: "index", ...scope, path });
const DONE: Result = { kind: "revision", revision: scope.revision };

/** What was worked on, and the message of each failure; null for what was done. */
async function outcomes(policy: PackagePolicy, items: readonly Item[]) {
  const worked: Item[] = [];
  const results = await withPolicy(policy, items, async (allowed) => {
    worked.push(...allowed);
    return allowed.map(() => DONE);
  });
  const told = results.map((result) => (result.kind === "failure" ? result.failure : null));
  return { worked, told };
}

test("by default nixpkgs' copies of itself are not evaluated, nor listed; the rest is", async () => {
  const items = [
    pkg("git"),
    pkg("pkgscross.x.hello"),
    index(),
    index("pkgsStatic"),
    pkg("curl"),
    index("python3Packages"),
  ];
  const { worked, told } = await outcomes(packagePolicy({}), items);
  assert.deepEqual(worked, [items[0], items[2], items[4], items[5]]);
  assert.deepEqual(
    told.map((failure) => failure?.reason),
    [undefined, "unknown", undefined, "unknown", undefined, undefined],
  );
  assert.match(told[1]?.message ?? "", /pkgscross\.x\.hello is not served here: .*denies pkgs\*/);
  assert.match(told[3]?.message ?? "", /denies pkgs\*/);
});

test("a list of what is allowed leaves what every image holds, and the sets that may hold more", async () => {
  const policy = packagePolicy({ PACKAGES_ALLOW: "git python3packages.*" });
  const items = [
    pkg("git"),
    pkg("cacert"),
    pkg("bashinteractive"),
    pkg("python3packages.flask"),
    index("python3Packages"),
    pkg("curl"),
  ];
  const { worked, told } = await outcomes(policy, items);
  assert.deepEqual(worked, items.slice(0, -1));
  assert.match(told.at(-1)?.message ?? "", /curl is not served here: .*does not list it/);
});

test("when everything is denied, nothing is worked on", async () => {
  const { worked, told } = await outcomes(packagePolicy({ PACKAGES_DENY: "*" }), [pkg("git")]);
  assert.deepEqual(worked, []);
  assert.equal(told[0]?.reason, "unknown");
});
