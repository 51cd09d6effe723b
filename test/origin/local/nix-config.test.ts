import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { hasBuildUsers } from "../../../origin/local/build-users.ts";
import { nixSettings, type NixSituation, unsafeHere } from "../../../origin/local/nix-config.ts";

const fresh: NixSituation = {
  root: true,
  daemon: false,
  buildUsers: true,
  configured: "",
  starter: true,
  programs: ["/bin", "/usr"],
};
const sandboxed = ["sandbox = true", "sandbox-fallback = false"];

const table: readonly [string, Partial<NixSituation>, readonly string[]][] = [
  [
    "root on a fresh machine, the starter set: no sandbox, but users for builds",
    {},
    ["build-users-group = nixbld", "sandbox = false", "substituters =", "max-jobs = auto"],
  ],
  [
    "root, another set: sandboxed, with the machine's programs; nixpkgs' cache stays",
    { starter: false },
    ["build-users-group = nixbld", ...sandboxed, "sandbox-paths = /bin /usr", "max-jobs = auto"],
  ],
  [
    "no build users: root's builds could write to the machine's programs",
    { starter: false, buildUsers: false },
    ["build-users-group =", ...sandboxed, "max-jobs = auto"],
  ],
  [
    "builds as root are configured: the same",
    { starter: false, configured: "build-users-group =\n" },
    [...sandboxed, "max-jobs = auto"],
  ],
  [
    "build users are configured: they stay",
    { configured: "build-users-group = builders\n" },
    ["sandbox = false", "substituters =", "max-jobs = auto"],
  ],
  [
    "a sandbox is asked for: it stays",
    { configured: "sandbox = true" },
    ["build-users-group = nixbld", "substituters =", "max-jobs = auto"],
  ],
  [
    "no sandbox is configured: that stays too",
    { starter: false, configured: "sandbox = false" },
    ["build-users-group = nixbld", "max-jobs = auto"],
  ],
  ["a daemon builds", { daemon: true }, ["substituters =", "max-jobs = auto"]],
  ["not root", { root: false }, ["substituters =", "max-jobs = auto"]],
  [
    "not root, another set",
    { root: false, starter: false, configured: "extra-sandbox-paths = /x" },
    [...sandboxed, "max-jobs = auto"],
  ],
  [
    "substituters and jobs are configured, by whatever name",
    { configured: "extra-substituters = x\nmax-jobs = 4" },
    ["build-users-group = nixbld", "sandbox = false"],
  ],
];
for (const [what, situation, expected] of table)
  test(what, () => assert.deepEqual(nixSettings({ ...fresh, ...situation }), expected));

test("build users: the group and somebody in it", () => {
  assert.ok(hasBuildUsers("root:x:0:\nnixbld:x:995:nixbld1,nixbld2\n"));
  assert.ok(!hasBuildUsers("root:x:0:\nnixbld:x:995:\n"));
  assert.ok(!hasBuildUsers("mynixbld:x:995:a\n"));
});

const none = async () => ({ sandboxed: false, reason: "the kernel says no" });
const all = async () => ({ sandboxed: true, reason: "" });

describe("npm start without a sandbox", () => {
  const here = { starter: false, forOthers: false, config: "sandbox = true", nix: "2.34.5" };

  test("the starter set, and who has said so, build for this machine alone", async () => {
    assert.equal(await unsafeHere({ ...here, starter: true }, none), undefined);
    assert.equal(await unsafeHere({ ...here, config: "sandbox = false" }, none), undefined);
    assert.match(
      (await unsafeHere({ ...here, starter: true, forOthers: true }, all)) ?? "",
      /starter set is built without a sandbox.*this machine alone/,
    );
    assert.match(
      (await unsafeHere({ ...here, forOthers: true, config: "sandbox = false" }, none)) ?? "",
      /cannot sandbox builds here/,
    );
  });

  test("another set is not built where the kernel gives no sandbox", async () => {
    assert.match((await unsafeHere(here, none)) ?? "", /\(the kernel says no\).*NIX_CONFIG/);
    assert.equal(await unsafeHere(here, all), undefined);
  });

  test("for other machines, a Nix whose sandbox leaks is none", async () => {
    const old = { ...here, nix: "2.8.0" };
    assert.equal(await unsafeHere(old, all), undefined);
    assert.match((await unsafeHere({ ...old, forOthers: true }, all)) ?? "", /2\.8\.0 lets builds/);
    assert.equal(await unsafeHere({ ...here, forOthers: true }, all), undefined);
  });
});
