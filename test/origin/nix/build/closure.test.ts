import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { queryClosure } from "../../../../origin/nix/build/closure.ts";
import { FailureError } from "../../../../origin/nix/types.ts";
import { buildOf, needs } from "../support.ts";

test(
  "a closure: everything needed, with NAR hashes that are true, sizes, and references without itself",
  { ...needs("nix-build"), timeout: 60_000 },
  async (t) => {
    const attributes = `low = mk "low" "echo low > $out"; top = mkWith "top" { inherit low; } "echo $low $out > $out"; alone = mk "alone" "echo alone > $out";`;
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
  "nothing needs nothing, and a path that is not there is said to be",
  { ...needs("nix-store"), timeout: 60_000 },
  async () => {
    assert.equal((await queryClosure([])).size, 0);
    await assert.rejects(
      queryClosure([`/nix/store/${"0".repeat(32)}-nothing`]),
      (error) => error instanceof FailureError && error.failure.reason === "error",
    );
  },
);
