import assert from "node:assert/strict";
import { test } from "node:test";
import { nixSettings } from "../../../origin/local/nix-config.ts";

const fresh = { root: true, daemon: false, configured: "", starter: true };

for (const [what, situation, expected] of [
  ["root on a fresh machine", fresh, ["build-users-group =", "sandbox = false", "substituters ="]],
  ["root, packages from nixpkgs: its cache stays", { ...fresh, starter: false }, ["build-users-group =", "sandbox = false"]],
  ["build users are configured: they and the sandbox stay", { ...fresh, configured: "build-users-group = nixbld\n" }, ["substituters ="]],
  ["a sandbox is asked for: it stays", { ...fresh, configured: "sandbox = true" }, ["build-users-group =", "substituters ="]],
  ["a daemon builds", { ...fresh, daemon: true }, ["substituters ="]],
  ["not root", { ...fresh, root: false }, ["substituters ="]],
  ["substituters are configured, by whatever name", { ...fresh, configured: "extra-substituters = x" }, ["build-users-group =", "sandbox = false"]],
] as const) {
  test(what, () => assert.deepEqual(nixSettings(situation), expected));
}
