import assert from "node:assert/strict";
import {
  lutimesSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { stateFiles } from "../../../origin/disk/state-files.ts";
import { temporary } from "../nix/support.ts";

function state(t: TestContext) {
  const stateDir = temporary(t);
  const files = stateFiles({ stateDir, idleMs: 60_000 });
  return {
    dir: (path: string) => mkdirSync(join(stateDir, path), { recursive: true }),
    stateDir,
    files,
  };
}

test("clones go one by one, the least recently used first, and none that is in use", (t) => {
  const { dir, stateDir, files } = state(t);
  for (const [name, used] of Object.entries({ "a/tips": 20, "a/history": 10, "b/tips": 30 })) {
    dir(`sets/git/${name}.git/objects`);
    utimesSync(join(stateDir, `sets/git/${name}.git`), used, used);
  }
  dir("sets/git/b/history.git");
  const left = (): string[] =>
    ["a", "b"].flatMap((id) =>
      readdirSync(join(stateDir, "sets/git", id)).map((name) => id + name),
    );
  assert.ok(files.removeClone());
  assert.deepEqual(left().sort(), ["atips.git", "bhistory.git", "btips.git"]);
  assert.ok(files.removeClone() && files.removeClone());
  assert.equal(files.removeClone(), false);
  assert.deepEqual(left(), ["bhistory.git"]);
});

test("the sources of the two revisions that were used last stay", (t) => {
  const { dir, stateDir, files } = state(t);
  dir("sets/sources/starter");
  for (const [name, used] of Object.entries({ old: 10, older: 5, new: 30, newer: 40 })) {
    symlinkSync("/nowhere", join(stateDir, "sets/sources/starter", name));
    lutimesSync(join(stateDir, "sets/sources/starter", name), used, used);
  }
  assert.ok(files.removeSource());
  assert.ok(!readdirSync(join(stateDir, "sets/sources/starter")).includes("older"));
  assert.ok(files.removeSource());
  assert.equal(files.removeSource(), false);
  assert.deepEqual(readdirSync(join(stateDir, "sets/sources/starter")).sort(), ["new", "newer"]);
});

test("of the notes on listings the older half goes", (t) => {
  const { dir, stateDir, files } = state(t);
  dir("layers/listings");
  for (let index = 0; index < 5; index += 1) {
    const note = join(stateDir, `layers/listings/${index}.json`);
    writeFileSync(note, "{}");
    utimesSync(note, 1 + index, 1 + index);
  }
  assert.ok(files.removeNotes());
  assert.deepEqual(readdirSync(join(stateDir, "layers/listings")), ["3.json", "4.json"]);
});

test("of what waits for the farm's cache the older half goes", (t) => {
  const { dir, stateDir, files } = state(t);
  dir("cache/pending");
  for (let index = 0; index < 3; index += 1) {
    const root = join(stateDir, `cache/pending/${index}`);
    symlinkSync("/nowhere", root);
    lutimesSync(root, 1 + index, 1 + index);
  }
  symlinkSync("/nowhere", join(stateDir, "cache/pending/new"));
  assert.ok(files.removePending());
  assert.deepEqual(readdirSync(join(stateDir, "cache/pending")), ["2", "new"]);
  assert.ok(files.removePending());
  assert.equal(files.removePending(), false);
});

test("an empty state directory has nothing to remove", (t) => {
  const { files } = state(t);
  assert.deepEqual(
    [files.removeClone(), files.removeSource(), files.removeNotes(), files.removePending()],
    [false, false, false, false],
  );
});
