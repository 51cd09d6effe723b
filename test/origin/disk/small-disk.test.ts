/** The disk budget with real Nix, whose /nix is a file system of 300 MB that is filled. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { ORIGIN_NEEDS } from "../../../origin/local/needs.ts";
import { unavailable } from "../../harness/available.ts";
import { ownNixUnavailable, withSmallNix } from "../../harness/own-nix.ts";

const PROGRAM = fileURLToPath(new URL("small-disk.ts", import.meta.url));
const SIZE = 300e6;
const options = {
  skip: (await unavailable(ORIGIN_NEEDS)) || (await ownNixUnavailable()),
  timeout: 120_000,
};

async function run(scenario: string): Promise<void> {
  const [command = "", ...args] = [...withSmallNix(SIZE), process.execPath, PROGRAM, scenario];
  const { exitCode, all } = await execa(command, args, {
    all: true,
    reject: false,
    cancelSignal: AbortSignal.timeout(100_000),
  });
  assert.equal(exitCode, 0, all);
}

test(
  "what nobody used for longest is collected, what a job holds and what was used last is not",
  options,
  () => run("collects"),
);
test("an origin at its limit takes no jobs, and takes them again by itself", options, () =>
  run("limit"),
);
test("a build that fills the disk is the origin's own trouble, and leaves nothing", options, () =>
  run("fills"),
);
test("with DISK_GC=off nothing is removed from the store, but the operator may", options, () =>
  run("gc-off"),
);
test("a budget in bytes counts the store and the state directory", options, () => run("budget"));
