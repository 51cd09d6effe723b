import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Roots } from "../../../../origin/nix/build/roots.ts";
import { temporary } from "../support.ts";

test("a path that a job linked is held while it exists; a job without links leaves nothing", async (t) => {
  const directory = join(temporary(t), "roots");
  const built = join(temporary(t), "built");
  writeFileSync(built, "");
  const roots = new Roots(directory);
  assert.equal(roots.holds([built]), false);
  await roots.with(async (link) => symlinkSync(built, link));
  assert.equal(roots.holds([built]), true);
  assert.equal(roots.holds([built, "/nix/store/other"]), false);
  await assert.rejects(
    roots.with(() => Promise.reject(new Error("no"))),
    /no/,
  );
  assert.equal(readdirSync(directory).length, 1);
  assert.equal(new Roots(directory).holds([built]), true, "a restart knows it");
  await roots.with(async (link) => symlinkSync(`${built}-gone`, link));
  assert.equal(roots.holds([`${built}-gone`]), false);
});

test("old jobs make room for new ones, young ones stay however many there are", async (t) => {
  const directory = join(temporary(t), "roots");
  mkdirSync(directory);
  for (let index = 0; index < 300; index += 1) {
    const job = join(directory, String(index));
    mkdirSync(job);
    symlinkSync(directory, join(job, "r"));
    // The first 100 are as old as can be.
    if (index < 100) utimesSync(job, 1, 1 + index);
  }
  const roots = new Roots(directory);
  assert.equal(readdirSync(directory).length, 256);
  assert.ok(!existsSync(join(directory, "43")) && existsSync(join(directory, "44")));
  await roots.with(async (link) => symlinkSync(directory, link));
  assert.equal(readdirSync(directory).length, 256);
});
