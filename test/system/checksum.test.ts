/**
 * A .deb that is not what the lock says: the person who pulls is told, nothing of it is kept, and
 * with the right lock the same package works.
 */
import assert from "node:assert/strict";
import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { execa } from "execa";
import type { Lock } from "../../origin/starter/lock.ts";
import { operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { type Firn, firnUnavailable, startFirn } from "../harness/firn.ts";
import { starterDirectory } from "../harness/package-lists.ts";
import { pullManifest, RegistryAnswer } from "../harness/registry-client.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { NIX_ENV } from "../origin/starter/store-alone.ts";

const skip =
  (await firnUnavailable()) || (process.arch === "x64" ? false : "changes the lock of amd64");
const NAME = "hello";

describe("a .deb with a wrong checksum", { skip }, () => {
  let root: string;
  let set: string;
  let lockFile: string;
  let firn: Firn;
  before(async () => {
    root = await tempDir("deb");
    set = join(root, "set");
    await cp(await starterDirectory(), set, { recursive: true });
    lockFile = join(set, "lock-amd64.json");
    const lock = JSON.parse(await readFile(lockFile, "utf8")) as Lock;
    const deb = lock.debs[NAME];
    assert.ok(deb !== undefined);
    const debs = { ...lock.debs, [NAME]: { ...deb, sha256: deb.sha256.replace(/^./, other) } };
    await writeFile(lockFile, JSON.stringify({ ...lock, debs }));
    firn = await startFirn({
      packageSet: `path:${set}`,
      originEnv: { SYSTEMS: "x86_64-linux" },
      edgeEnv: { TAG_FRESH: "0" },
    });
  });
  after(async () => {
    await firn?.stop();
    await removeTree(root);
  });
  afterEach((context) => {
    if ("passed" in context && !context.passed) process.stderr.write(`${firn.log()}\n`);
  });

  test("is said, and nothing of it is kept", async () => {
    await assert.rejects(pullManifest(firn.url, NAME), (error) => {
      assert.ok(error instanceof RegistryAnswer);
      assert.equal(error.status, 500);
      assert.match(error.message, /hello/);
      assert.match(JSON.stringify(error.detail), /hello_.*\.deb could not be fetched/);
      assert.match(JSON.stringify(error.detail), /Hash Sum mismatch/i);
      return true;
    });
    const outputs = await outputsOf(set);
    assert.ok(outputs.some((path) => path.endsWith(".deb")));
    for (const path of outputs) {
      const { exitCode } = await execa("nix-store", ["--check-validity", path], {
        env: NIX_ENV,
        reject: false,
      });
      assert.notEqual(exitCode, 0, `${path} is in the store`);
    }
    for await (const key of operatorBucket(firn.edge.s3).list("packages/"))
      assert.doesNotMatch(key, /hello/);
  });
});

const other = (digit: string): string => (digit === "0" ? "1" : "0");

/** Where the package and its own .deb would be in the store. */
async function outputsOf(set: string): Promise<string[]> {
  const { stdout: derivation } = await execa("nix-instantiate", [set, "-A", NAME], {
    env: NIX_ENV,
  });
  const { stdout: closure } = await execa("nix-store", ["--query", "--requisites", derivation], {
    env: NIX_ENV,
  });
  const own = closure.split("\n").filter((path) => /-hello[-_][^/]*\.drv$/.test(path));
  const { stdout } = await execa("nix-store", ["--query", "--outputs", ...own], { env: NIX_ENV });
  return stdout.split("\n");
}
