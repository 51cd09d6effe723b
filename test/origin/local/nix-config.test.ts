import assert from "node:assert/strict";
import { test } from "node:test";
import { nixSettings } from "../../../origin/local/nix-config.ts";

const fresh = { root: true, daemon: false, configured: "", starter: true };

for (const [what, situation, expected] of [
  [
    "root on a fresh machine",
    fresh,
    ["build-users-group =", "sandbox = false", "substituters =", "max-jobs = auto"],
  ],
  [
    "root, packages from nixpkgs: its cache stays",
    { ...fresh, starter: false },
    ["build-users-group =", "sandbox = false", "max-jobs = auto"],
  ],
  [
    "build users are configured: they and the sandbox stay",
    { ...fresh, configured: "build-users-group = nixbld\n" },
    ["substituters =", "max-jobs = auto"],
  ],
  [
    "a sandbox is asked for: it stays",
    { ...fresh, configured: "sandbox = true" },
    ["build-users-group =", "substituters =", "max-jobs = auto"],
  ],
  ["a daemon builds", { ...fresh, daemon: true }, ["substituters =", "max-jobs = auto"]],
  ["not root", { ...fresh, root: false }, ["substituters =", "max-jobs = auto"]],
  [
    "substituters and jobs are configured, by whatever name",
    { ...fresh, configured: "extra-substituters = x\nmax-jobs = 4" },
    ["build-users-group =", "sandbox = false"],
  ],
] as const) {
  test(what, () => assert.deepEqual(nixSettings(situation), expected));
}
