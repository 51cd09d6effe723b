/** `firn serve` with variables that the Worker would refuse. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { EXIT } from "../../../origin/commands/exit-codes.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";

const MAIN = join(import.meta.dirname, "..", "..", "..", "origin", "main.ts");

test("wrong variables of the Worker: it does not start, and says all that is wrong", async () => {
  const root = await tempDir("serve");
  try {
    const state = join(root, "state");
    const { exitCode, stderr } = await execa(process.execPath, [MAIN, "serve", "--port", "0"], {
      env: { FIRN_STATE: state, ORIGINS: "none", ACCESS: "everybody" },
      reject: false,
      timeout: 60_000,
    });
    assert.equal(exitCode, EXIT.usage, stderr);
    assert.match(stderr, /ORIGINS must be a JSON object/);
    assert.match(stderr, /ACCESS must be one of public, cached, private/);
    assert.ok(!existsSync(state), "nothing is written");
  } finally {
    await removeTree(root);
  }
});
