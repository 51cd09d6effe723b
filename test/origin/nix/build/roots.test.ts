import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
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

test("what a job holds is not released before the job is settled", async (t) => {
  const files = temporary(t);
  const [built = "", found = "", idle = ""] = ["built", "found", "idle"].map((name) => {
    writeFileSync(join(files, name), "");
    return join(files, name);
  });
  const directory = join(temporary(t), "roots");
  const roots = new Roots(directory);
  const job = new AbortController();
  await roots.with(async (link) => symlinkSync(found, link));
  await roots.with(async (link) => symlinkSync(idle, link));
  await roots.with(async (link) => symlinkSync(built, link), job.signal);
  assert.ok(roots.holds([found], job.signal), "built by an earlier job, packed by this one");
  assert.ok(roots.holds([found], job.signal), "asked for twice");
  assert.ok(roots.holds([idle]), "used last, and held by no job");
  while (roots.release() > 0);
  assert.deepEqual(
    [built, found, idle].map((path) => roots.holds([path])),
    [true, true, false],
  );
  assert.equal(roots.idle, 0);
  job.abort();
  assert.equal(roots.idle, 2);
  while (roots.release() > 0);
  assert.equal(readdirSync(directory).length, 0);
});

test("the least recently used half goes first, in the order of an earlier process too", async (t) => {
  const directory = join(temporary(t), "roots");
  mkdirSync(directory);
  for (let index = 0; index < 4; index += 1) {
    const job = join(directory, String(index));
    mkdirSync(job);
    symlinkSync(directory, join(job, "r"));
    symlinkSync(join(directory, String(index)), join(job, "r-2"));
    utimesSync(job, 1, 10 - index);
  }
  const roots = new Roots(directory);
  // 3 is the oldest, and is used now.
  assert.ok(roots.holds([join(directory, "3")]));
  assert.equal(roots.release(), 2);
  assert.deepEqual(readdirSync(directory).sort(), ["0", "3"]);
  assert.deepEqual(
    ["0", "1", "2", "3"].map((name) => roots.holds([join(directory, name)])),
    [true, false, false, true],
  );
});

test("roots that somebody has deleted are not taken to be there, and are made again", async (t) => {
  const directory = join(temporary(t), "roots");
  const built = join(temporary(t), "built");
  writeFileSync(built, "");
  const roots = new Roots(directory);
  const job = new AbortController();
  await roots.with(async (link) => symlinkSync(built, link), job.signal);
  rmSync(directory, { recursive: true });
  assert.equal(roots.holds([built], job.signal), false);
  await roots.with(async (link) => symlinkSync(built, link), job.signal);
  assert.equal(roots.holds([built]), true);
  assert.equal(readdirSync(directory).length, 1);
  job.abort();
  assert.equal(roots.idle, 1);
});

test("at most a thousand that no job holds are kept", async (t) => {
  const directory = join(temporary(t), "roots");
  mkdirSync(directory);
  for (let index = 0; index < 1_010; index += 1) {
    const job = join(directory, String(index));
    mkdirSync(job);
    symlinkSync(directory, join(job, "r"));
    utimesSync(job, 1, 1 + index);
  }
  const roots = new Roots(directory);
  assert.equal(readdirSync(directory).length, 1_000);
  assert.ok(!existsSync(join(directory, "9")) && existsSync(join(directory, "10")));
  const job = new AbortController();
  for (let index = 0; index < 2; index += 1)
    await roots.with(async (link) => symlinkSync(directory, link), job.signal);
  assert.equal(readdirSync(directory).length, 1_002);
  job.abort();
  assert.equal(readdirSync(directory).length, 1_000);
});

test("roots of another process that is building now are left to it; a killed one's are cleared", async (t) => {
  const directory = join(temporary(t), "roots");
  const built = join(temporary(t), "built");
  writeFileSync(built, "");
  const left = join(directory, "left");
  mkdirSync(left, { recursive: true });
  const building = new Roots(directory);
  await building.with(async (link) => {
    assert.equal(new Roots(directory).holds([built]), false);
    symlinkSync(built, link);
  });
  assert.ok(building.holds([built]));
  assert.ok(!existsSync(left));
  assert.equal(readdirSync(directory).length, 1);
});
