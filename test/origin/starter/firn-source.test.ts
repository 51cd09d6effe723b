/** Firn's sources for the starter set's package `firn`. */
import assert from "node:assert/strict";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execa } from "execa";
import { writeFirnSource } from "../../../origin/starter/firn-source.ts";
import { NIX_DIR } from "../../../origin/nix/settings.ts";
import { needs, temporary } from "../nix/support.ts";

const ROOT = join(NIX_DIR, "..");
const files = async (directory: string): Promise<string[]> =>
  (await readdir(directory, { recursive: true })).sort();

test("are the same bytes each time, with no owner and time of this machine", async (t) => {
  const directory = temporary(t);
  for (const name of ["one", "two"]) await writeFirnSource(join(directory, name));
  const tars = await Promise.all(
    ["one", "two"].map((name) => readFile(join(directory, name, "source.tar"))),
  );
  assert.ok(tars[0]?.equals(tars[1] ?? Buffer.alloc(0)));
  const list = ["--list", "--verbose", "--utc", "--numeric-owner", "--file"];
  const { stdout } = await execa("tar", [...list, join(directory, "one/source.tar")]);
  for (const line of stdout.split("\n"))
    assert.match(line, /^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) 0\/0 +\d+ 1970-01-01 00:00 /);
});

test("are those that nixpkgs' package is made of", needs("nix-instantiate"), async (t) => {
  const directory = temporary(t);
  await writeFirnSource(join(directory, "firn"));
  await mkdir(join(directory, "tree"));
  await execa("tar", ["-xf", join(directory, "firn/source.tar"), "-C", join(directory, "tree")]);
  const expression = `"\${import ${NIX_DIR}/firn/source.nix ${ROOT}}"`;
  const args = ["--eval", "--json", "--read-write-mode", "--expr", expression];
  const source = JSON.parse((await execa("nix-instantiate", args)).stdout) as string;
  const here = await files(join(directory, "tree"));
  assert.ok(here.includes("origin/main.ts") && here.includes("edge/worker.ts"));
  assert.deepEqual(here, await files(source));
});

// A version that differs leaves the starter set without `firn`.
test("have the Node whose hashes the starter set knows", async () => {
  const lock = JSON.parse(await readFile(join(ROOT, "package-lock.json"), "utf8")) as {
    packages: Record<string, { version: string }>;
  };
  const node = await readFile(join(NIX_DIR, "starter/node.nix"), "utf8");
  assert.equal(
    /^ +version = "(.*)";$/m.exec(node)?.[1],
    lock.packages["node_modules/node"]?.version,
  );
});
