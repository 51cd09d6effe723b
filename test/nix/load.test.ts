import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { run } from "../../origin/nix/run.ts";
import { NIX_DIR, nixEnvironment } from "../../origin/nix/settings.ts";
import { needs, temporary } from "../origin/nix/support.ts";

const FORMS: readonly { readonly form: string; readonly text: string; readonly gives: unknown }[] =
  [
    {
      form: "nixpkgs' own",
      text:
        "{ localSystem ? { inherit system; }, system ? localSystem, " +
        "config ? 1, overlays ? 2, ... }@args: { x = args; }",
      gives: { set: { x: { system: "s", config: {}, overlays: [] } }, honoursSystem: true },
    },
    {
      form: "system alone",
      text: "{ system }: { x = system; }",
      gives: { set: { x: "s" }, honoursSystem: true },
    },
    {
      form: "only localSystem",
      text: "{ localSystem ? 1 }: { x = localSystem; }",
      gives: { set: { x: "s" }, honoursSystem: true },
    },
    {
      form: "anything",
      text: "args: { x = args.system; }",
      gives: { set: { x: "s" }, honoursSystem: true },
    },
    {
      form: "an ellipsis alone",
      text: "{ ... }@args: { x = args.system; }",
      gives: { set: { x: "s" }, honoursSystem: true },
    },
    {
      form: "no argument at all",
      text: "{ }: { x = 1; }",
      gives: { set: { x: 1 }, honoursSystem: false },
    },
    {
      form: "something else with a default",
      text: "{ pkgs ? 3 }: { x = pkgs; }",
      gives: { set: { x: 3 }, honoursSystem: false },
    },
    { form: "a set", text: "{ x = 1; }", gives: { set: { x: 1 }, honoursSystem: false } },
  ];

async function load(source: string) {
  const expression = `import ${NIX_DIR}/load.nix { source = "${source}"; system = "s"; }`;
  return run("nix-instantiate", ["--eval", "--strict", "--json", "--expr", expression], {
    env: nixEnvironment(),
  });
}

for (const { form, text, gives } of FORMS) {
  test(`a package set may be ${form}`, needs("nix-instantiate"), async (t) => {
    const directory = temporary(t);
    writeFileSync(join(directory, "default.nix"), text);
    const { stdout, stderr } = await load(directory);
    assert.deepEqual(JSON.parse(stdout || "null"), gives, stderr.join("\n"));
  });
}

test(
  "a package set that is a list is refused with a message",
  needs("nix-instantiate"),
  async (t) => {
    const directory = temporary(t);
    writeFileSync(join(directory, "default.nix"), "[ 1 ]");
    const { exitCode, stderr } = await load(directory);
    assert.notEqual(exitCode, 0);
    assert.match(stderr.join("\n"), /the package set is a list, not a set of packages/);
  },
);

test(
  "a directory without default.nix is refused with a message, a flake with advice",
  needs("nix-instantiate"),
  async (t) => {
    const directory = temporary(t);
    assert.match(
      (await load(directory)).stderr.join("\n"),
      /the package set has no default\.nix$/m,
    );
    writeFileSync(join(directory, "flake.nix"), "{ }");
    assert.match(
      (await load(directory)).stderr.join("\n"),
      /has no default\.nix \(its flake\.nix is not read/,
    );
  },
);
