import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { removeLeftovers, temporaryName } from "../../../origin/disk/temporary.ts";
import { temporary } from "../nix/support.ts";

test("what a process that is no more left behind is removed, and nothing else", async (t) => {
  const state = temporary(t);
  const mine = temporaryName("note");
  // A number that no process has: the process of that number has just ended.
  const { pid } = spawnSync("true");
  const dead = (what: string): string =>
    temporaryName(what).replace(`-${process.pid}-`, `-${pid}-`);
  const old = temporaryName("old");
  const clones = join(state, "sets/git/id");
  const notes = join(state, "layers/listings");
  mkdirSync(join(clones, dead("tree"), "source"), { recursive: true });
  mkdirSync(join(clones, "history.git"));
  mkdirSync(notes, { recursive: true });
  for (const name of [mine, dead("note"), old, "abc.json"]) writeFileSync(join(notes, name), "");
  utimesSync(join(notes, old), 1, 1);
  assert.equal(await removeLeftovers(state), 3);
  assert.deepEqual(readdirSync(clones), ["history.git"]);
  assert.deepEqual(readdirSync(notes).sort(), ["abc.json", mine].sort());
});

test("a state directory that does not exist yet has nothing left behind", async (t) => {
  assert.equal(await removeLeftovers(join(temporary(t), "none")), 0);
});
