import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { fingerprint } from "../../../../origin/nix/sets/fingerprint.ts";
import { temporary } from "../support.ts";

function tree(t: TestContext): (path: string) => string {
  const directory = temporary(t);
  const at = (path: string): string => join(directory, path);
  for (const path of ["a/b", ".git", "state"]) mkdirSync(at(path), { recursive: true });
  writeFileSync(at("a/b/file"), "one");
  utimesSync(at("a/b/file"), 1, 1);
  symlinkSync("file", at("a/b/link"));
  return at;
}

type At = (path: string) => string;

const CHANGES: Readonly<Record<string, (at: At) => void>> = {
  "a new file": (at) => writeFileSync(at("a/new"), ""),
  "a new directory": (at) => mkdirSync(at("a/new")),
  "a file's content": (at) => writeFileSync(at("a/b/file"), "longer"),
  "a file's content, with equal size and times": (at) => {
    writeFileSync(at("a/b/file"), "two");
    utimesSync(at("a/b/file"), 1, 1);
  },
  "a file's mode": (at) => chmodSync(at("a/b/file"), 0o755),
  "a file's name": (at) => renameSync(at("a/b/file"), at("a/b/other")),
  "a link's target": (at) => {
    rmSync(at("a/b/link"));
    symlinkSync("elsewhere", at("a/b/link"));
  },
  "a removed file": (at) => rmSync(at("a/b/file")),
  "a removed directory": (at) => rmSync(at("a/b"), { recursive: true }),
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`the fingerprint changes with ${what}`, async (t) => {
    const at = tree(t);
    const before = await fingerprint(at(""));
    assert.deepEqual(await fingerprint(at("")), before);
    change(at);
    assert.notEqual((await fingerprint(at(""))).hash, before.hash);
  });
}

const NO_CHANGES: Readonly<Record<string, (at: At) => void>> = {
  "a file that is read": (at) => void readFileSync(at("a/b/file")),
  "git's own files": (at) => writeFileSync(at(".git/HEAD"), "x"),
  "an ignored path": (at) => writeFileSync(at("state/new"), "x"),
};

for (const [what, change] of Object.entries(NO_CHANGES)) {
  test(`the fingerprint does not change with ${what}`, async (t) => {
    const at = tree(t);
    const before = await fingerprint(at(""), [at("state")]);
    change(at);
    assert.deepEqual(await fingerprint(at(""), [at("state")]), before);
  });
}

test("a fingerprint names the directories to watch", async (t) => {
  const at = tree(t);
  const { directories } = await fingerprint(at("a"), [at("a/b")]);
  assert.deepEqual(directories, [at("a")]);
  assert.deepEqual((await fingerprint(at("a"))).directories, [at("a"), at("a/b")]);
});
