/** What a flake's lock may hold. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseLock } from "../../../../origin/nix/sets/flake-lock.ts";

test("inputs may be called as what every object has", () => {
  const inputs = { constructor: "prototype", prototype: "constructor" };
  const locked = { type: "github", owner: "o", repo: "r", rev: "0".repeat(40) };
  const nodes = { root: { inputs }, constructor: { locked }, prototype: { locked } };
  const lock = parseLock(JSON.stringify({ version: 7, root: "root", nodes }));
  assert.deepEqual(Object.keys(lock.nodes).sort(), ["constructor", "prototype", "root"]);
  assert.deepEqual(Object.entries(lock.nodes["root"]?.inputs ?? {}), Object.entries(inputs));
});
