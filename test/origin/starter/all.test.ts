/**
 * Every attribute of the starter set, built. Runs by `npm test -- --starter-all`: it takes minutes,
 * half a gigabyte of .debs and two of disk.
 */
import assert from "node:assert/strict";
import { readFile, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import type { Lock } from "../../../origin/starter/lock.ts";
import type { Recipe } from "../../../origin/starter/resolve.ts";
import { unavailable } from "../../harness/available.ts";
import { starterDirectory } from "../../harness/package-lists.ts";
import { ORIGIN_NEEDS, STARTER_NEEDS } from "../../../origin/local/needs.ts";
import { build } from "./store-alone.ts";

const skip =
  process.arch === "x64"
    ? await unavailable([...ORIGIN_NEEDS, ...STARTER_NEEDS])
    : "builds amd64 programs";
/** For all of them on a slow machine with a slow mirror, milliseconds. */
const BUILD_LIMIT = 30 * 60_000;

const json = async (...path: string[]): Promise<unknown> =>
  JSON.parse(await readFile(join(...path), "utf8"));

if (skip !== false) test("every attribute of the starter set", { skip }, () => undefined);
else {
  const dir = await starterDirectory();
  const { attributes: recipes } = (await json(dir, "packages.json")) as Recipe;
  const { attributes, units } = (await json(dir, "lock-amd64.json")) as Lock;
  const names = Object.keys(recipes);

  describe("every attribute of the starter set", () => {
    let paths: string[];
    before(
      async () => {
        paths = await build(dir, names);
      },
      { timeout: BUILD_LIMIT },
    );

    test("is in the archive", () => assert.deepEqual(Object.keys(attributes).sort(), names.sort()));
    for (const [index, name] of names.entries()) {
      test(`${name} is there, with its program`, async () => {
        const path = paths[index] ?? "";
        assert.ok((await readdir(path)).length > 0, `${path} is empty`);
        const { main = units[attributes[name] ?? ""]?.pname } = recipes[name] ?? {};
        if (main === null) return;
        const { mode } = await stat(join(path, "bin", String(main)));
        assert.ok((mode & 0o111) !== 0, `bin/${main} is not executable`);
      });
    }
  });
}
