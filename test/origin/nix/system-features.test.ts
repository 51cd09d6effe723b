import assert from "node:assert/strict";
import { test } from "node:test";
import { lackingFeatures, systemFeatures } from "../../../origin/nix/system-features.ts";
import { buildOf, needs } from "./support.ts";

const line = (required: string, own: string, system = "x86_64-linux"): string =>
  `error: a 'x86_64-linux' with features {${required}} is required to build ` +
  `'/nix/store/x.drv', but I am a '${system}' with features {${own}}`;

for (const [text, features] of [
  [line("kvm", "benchmark, big-parallel"), ["kvm"]],
  [line("big-parallel, kvm", "big-parallel"), ["kvm"]],
  [line("kvm, nixos-test", ""), ["kvm", "nixos-test"]],
  [line("", "kvm", "aarch64-linux"), []],
  [
    "error: Cannot build '/nix/store/x.drv'.\n" +
      "  Required system: 'x86_64-linux' with features {kvm}\n" +
      "  Current system: 'x86_64-linux' with features {big-parallel}",
    ["kvm"],
  ],
  ["error: builder for '/nix/store/x.drv' failed with exit code 1", []],
] as const)
  test(`lacking: ${features.join(", ") || "nothing"}`, () =>
    assert.deepEqual(lackingFeatures(text), features));

test("this machine says what it has", { ...needs("nix"), timeout: 60_000 }, async () => {
  assert.ok((await systemFeatures()).includes("big-parallel"));
});

test(
  "a package that needs a feature that is not here is for another origin",
  { ...needs("nix-build"), timeout: 120_000 },
  async (t) => {
    const attributes = `virtual = mkWith "virtual" { requiredSystemFeatures = [ "firn-none" ]; } "";`;
    const [outcome] = await buildOf(t, attributes, ["virtual"]);
    assert.ok(outcome?.kind === "failure");
    assert.deepEqual(
      [outcome.failure.reason, outcome.failure.features],
      ["lacking", ["firn-none"]],
    );
    assert.match(outcome.failure.message, /virtual needs the system feature firn-none/);
  },
);
