import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FailureError } from "../../../../origin/nix/types.ts";
import {
  directoryWith,
  needs,
  open,
  packageSet,
  signal,
  summary,
  system,
  temporary,
  unknownRevision,
} from "../support.ts";

const nix = { ...needs("nix-build"), timeout: 120_000 };
const salt = "set-path";
const text = packageSet(`a = program "a";`, salt);

const unknown = (words: RegExp) => (error: unknown) =>
  error instanceof FailureError && error.failure.reason === "unknown" && words.test(error.message);

test(
  "a revision is the content: equal files are one revision on every origin, wherever they lie",
  nix,
  async (t) => {
    const directory = directoryWith(t, text);
    const before = await (await open(t, `path:${directory}`)).resolve("latest", signal);
    assert.match(before, /^[0-9a-f]{40}$/);
    assert.equal(
      await (await open(t, `path:${directoryWith(t, text)}`)).resolve("latest", signal),
      before,
    );
    const set = await open(t, `path:${directory}`);
    mkdirSync(join(directory, ".git"));
    writeFileSync(join(directory, ".git", "HEAD"), "x");
    symlinkSync("/nix/store", join(directory, "result"));
    execFileSync("mkfifo", [join(directory, "pipe")]);
    assert.equal(await set.resolve("latest", signal), before);
    writeFileSync(join(directory, "more"), "");
    assert.notEqual(await set.resolve("latest", signal), before);
  },
);

test("an old revision keeps its meaning, also after a restart", nix, async (t) => {
  const directory = directoryWith(t, text);
  const stateDir = temporary(t);
  const set = await open(t, `path:${directory}`, { stateDir });
  const old = await set.resolve("latest", signal);
  writeFileSync(join(directory, "default.nix"), packageSet(`b = program "b";`, salt));
  const now = await set.resolve("latest", signal);
  assert.notEqual(now, old);
  const again = await open(t, `path:${directory}`, { stateDir });
  assert.equal(await again.resolve(old, signal), old);
  const build = async (revision: string, names: string[]) =>
    summary(await again.build({ revision, system, names }, { signal, log: () => {} }));
  assert.deepEqual(await build(old, ["a", "b"]), { a: "a", b: "unknown: there is no package b" });
  assert.deepEqual(await build(now, ["a", "b"]), { a: "unknown: there is no package a", b: "b" });
});

test("other tags are unknown, and the message says what tags mean", nix, async (t) => {
  const set = await open(t, `path:${directoryWith(t, text)}`);
  await assert.rejects(set.resolve("main", signal), unknown(/tags are latest and/));
});

test("a revision that this origin does not have is one failure of its own kind", nix, async (t) => {
  const set = await open(t, `path:${directoryWith(t, text)}`);
  const revision = "0".repeat(40);
  const noSnapshot = unknownRevision(revision, "origin");
  await assert.rejects(set.resolve(revision, signal), noSnapshot);
  await assert.rejects(set.attributes(revision, system), noSnapshot);
  await assert.rejects(
    set.build({ revision, system, names: ["a", "b"] }, { signal, log: () => {} }),
    noSnapshot,
  );
});

test("the origin's state inside the directory is no part of the set", nix, async (t) => {
  const directory = directoryWith(t, text);
  const set = await open(t, `path:${directory}`, { stateDir: join(directory, "state") });
  const before = await set.resolve("latest", signal);
  writeFileSync(join(directory, "state", "new"), "");
  assert.equal(await set.resolve("latest", signal), before);
});

test("the current revision is announced first, then every change", nix, async (t) => {
  const directory = directoryWith(t, text);
  mkdirSync(join(directory, "deep"));
  writeFileSync(join(directory, "deep", "file"), "1");
  const set = await open(t, `path:${directory}`);
  const seen: string[] = [];
  const events = new EventEmitter();
  const stop = set.watch((tag, revision) => {
    assert.equal(tag, "latest");
    seen.push(revision);
    events.emit("seen");
  });
  t.after(stop);
  const heard = async (count: number): Promise<void> => {
    // The watcher keeps no process alive; a test that waits for it must.
    const alive = setInterval(() => {}, 1_000);
    while (seen.length < count) await once(events, "seen");
    clearInterval(alive);
  };
  await heard(1);
  assert.equal(seen[0], await set.resolve("latest", signal));
  for (const [index, path] of ["deep/file", "deep/new", "default.nix"].entries()) {
    writeFileSync(join(directory, path), path === "default.nix" ? `${text}\n` : String(index + 2));
    await heard(index + 2);
    assert.equal(seen.at(-1), await set.resolve("latest", signal));
  }
  assert.equal(new Set(seen).size, 4);
  // What is under way writes into directories that the test removes.
  await stop();
});

test("a directory that does not exist is an error at the start", async (t) => {
  await assert.rejects(open(t, `path:${join(temporary(t), "nowhere")}`), /nowhere does not exist/);
});

test("attribute names are listed without evaluating any", nix, async (t) => {
  const set = await open(
    t,
    `path:${directoryWith(t, packageSet(`b = throw "no"; a = abort "no"; _7zz = 1;`))}`,
  );
  assert.deepEqual(await set.attributes(await set.resolve("latest", signal), system), [
    "_7zz",
    "a",
    "b",
  ]);
});
