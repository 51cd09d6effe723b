import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { parseRegistrations, queryClosure } from "../../../../origin/nix/build/closure.ts";
import { FailureError } from "../../../../origin/nix/types.ts";
import { buildOf, needs } from "../support.ts";

test(
  "a closure is everything needed, with true NAR hashes and sizes, and references without itself",
  { ...needs("nix-build"), timeout: 60_000 },
  async (t) => {
    const attributes = `
    low = mk "low" "echo low > $out"; top = mkWith "top" { inherit low; } "echo $low $out > $out";
    alone = mk "alone" "echo alone > $out";`;
    const outcomes = await buildOf(t, attributes, ["low", "top", "alone"]);
    const [low = "", top = "", alone = ""] = outcomes.map((outcome) =>
      outcome.kind === "built" ? outcome.package.storePath : "",
    );
    const closure = await queryClosure([top, alone, top]);
    assert.deepEqual([...closure.keys()].sort(), [low, top, alone].sort());
    assert.deepEqual(closure.get(top)?.references, [low]);
    assert.deepEqual(closure.get(low)?.references, []);
    for (const { path, narHash, narSize } of closure.values()) {
      const nar = spawnSync("nix-store", ["--dump", path]).stdout;
      assert.equal(narHash, `sha256:${createHash("sha256").update(nar).digest("hex")}`);
      assert.equal(narSize, nar.length);
    }
    assert.deepEqual([...(await queryClosure([low])).keys()], [low]);
  },
);

test(
  "the closure of nothing is empty, and a path that is not in the store is an error",
  { ...needs("nix-store"), timeout: 60_000 },
  async () => {
    assert.equal((await queryClosure([])).size, 0);
    await assert.rejects(
      queryClosure([`/nix/store/${"0".repeat(32)}-nothing`]),
      (error) => error instanceof FailureError && error.failure.reason === "error",
    );
  },
);

const path = (letter: string): string => `/nix/store/${letter.repeat(32)}-${letter}`;
const hash = (digit: string): string => digit.repeat(64);

test("registrations with and without deriver and references", () => {
  const text = [
    path("a"),
    hash("1"),
    "456",
    `${path("x")}.drv`,
    "3",
    path("c"),
    path("a"),
    path("b"),
    path("b"),
    hash("2"),
    "0",
    "",
    "0",
    "",
  ].join("\n");
  assert.deepEqual(parseRegistrations(text), [
    {
      path: path("a"),
      narHash: `sha256:${hash("1")}`,
      narSize: 456,
      references: [path("b"), path("c")],
      deriver: `${path("x")}.drv`,
    },
    { path: path("b"), narHash: `sha256:${hash("2")}`, narSize: 0, references: [] },
  ]);
  assert.deepEqual(parseRegistrations(""), []);
});

test("an incomplete or unknown text is an error, never half a closure", () => {
  assert.throws(
    () => parseRegistrations([path("a"), hash("1"), "456", "", "2", path("b")].join("\n")),
    /in the middle/,
  );
  assert.throws(() => parseRegistrations('{"version": 2}\n\n\n\n0\n'), /unknown form/);
});
