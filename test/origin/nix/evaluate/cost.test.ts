import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { test, type TestContext } from "node:test";
import { queryClosure } from "../../../../origin/nix/build/closure.ts";
import type { BuildOutcome } from "../../../../origin/nix/types.ts";
import { directoryWith, needs, open, packageSet, signal, system, temporary } from "../support.ts";

const nix = { ...needs("nix-build"), timeout: 120_000 };

/**
 * Puts programs of Nix's names first on PATH that note each call and do the real thing; returns how
 * to read the calls since the last time.
 */
function watchCalls(t: TestContext): () => string[] {
  const directory = temporary(t);
  const log = join(directory, "log");
  writeFileSync(log, "");
  for (const program of ["nix-build", "nix-instantiate", "nix-store"]) {
    const real = execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();
    writeFileSync(
      join(directory, program),
      `#!/bin/sh\nfor last; do :; done\necho "${program} $1 $last" >> ${log}\nexec ${real} "$@"\n`,
      { mode: 0o755 },
    );
  }
  const path = process.env["PATH"];
  process.env["PATH"] = `${directory}${delimiter}${path}`;
  t.after(() => {
    process.env["PATH"] = path;
  });
  return () => {
    const calls = readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line !== "");
    writeFileSync(log, "");
    return calls;
  };
}

test(
  "calls of Nix: one evaluation and one query for what is built, none for what is known, two for a closure",
  nix,
  async (t) => {
    const spec = `path:${directoryWith(t, packageSet(`a = program "a"; b = program "b"; c = program "c";`))}`;
    const stateDir = temporary(t);
    const calls = watchCalls(t);
    const first = await open(t, spec, { stateDir });
    const revision = await first.resolve("latest", signal);
    const build = (set: typeof first, names: string[]): Promise<BuildOutcome[]> =>
      set.build({ revision, system, names }, { signal, log: () => {} });
    calls();
    await build(first, ["a", "b"]);
    assert.equal(
      calls().filter((call) => call.startsWith("nix-build")).length,
      1,
      "one build for all of a job",
    );

    const second = await open(t, spec, { stateDir: temporary(t) });
    await second.resolve("latest", signal);
    calls();
    const outcomes = await build(second, ["a", "b"]);
    assert.deepEqual(
      calls().map((call) => call.split(" ")[0]),
      ["nix-instantiate", "nix-store"],
    );
    await build(second, ["b", "a"]);
    assert.deepEqual(calls(), []);
    await queryClosure(
      outcomes.flatMap((outcome) => (outcome.kind === "built" ? [outcome.package.storePath] : [])),
    );
    assert.equal(calls().length, 2);
  },
);

test(
  "the attribute names of a revision are listed at most once, however many names are unknown",
  nix,
  async (t) => {
    const set = await open(
      t,
      `path:${directoryWith(t, packageSet(`hello = program "hello"; set.inner = program "inner";`))}`,
    );
    const revision = await set.resolve("latest", signal);
    const calls = watchCalls(t);
    const build = (names: string[]): Promise<BuildOutcome[]> =>
      set.build({ revision, system, names }, { signal, log: () => {} });
    const lists = (): number => calls().filter((call) => call.includes("attributes.nix")).length;
    await build(["helo", "hell", "ello"]);
    assert.equal(lists(), 1);
    const [outcome] = await build(["hallo"]);
    assert.equal(lists(), 0);
    assert.ok(outcome?.kind === "failure");
    assert.deepEqual(outcome.failure.nearest, ["hello"]);
    await build(["set.iner", "set.innr"]);
    assert.equal(lists(), 1);
  },
);

const evaluations = (calls: readonly string[]): number =>
  calls.filter((call) => call.startsWith("nix-instantiate --eval")).length;
const good = ["a", "b", "c", "d", "e"];

for (const { what, bad, more, words } of [
  {
    what: "one broken, one unfree and one throwing: one evaluation more for the reason of each",
    bad: {
      broken: 'throw "broken is marked as broken, refusing to evaluate."',
      unfree: 'throw "unfree has an unfree license, refusing to evaluate."',
      throws: 'assert false; program "x"',
    },
    more: 3,
    words: [/^broken: .*marked as broken/, /^unfree: .*unfree license/, /^throws: .*assertion/],
  },
  {
    what: "one that Nix cannot catch: one evaluation more, which has the reason",
    bad: { aborts: 'abort "hail"' },
    more: 1,
    words: [/^aborts: .*hail/],
  },
  {
    what: "two that Nix cannot catch: two more",
    bad: { aborts: 'abort "hail"', endless: "let x = x; in x" },
    more: 2,
    words: [/^aborts: .*hail/, /^endless: .*infinite recursion/],
  },
])
  test(`a job of five good packages and ${what}`, nix, async (t) => {
    const attributes = [
      ...good.map((name) => `${name} = program "${name}";`),
      ...Object.entries(bad).map(([name, value]) => `${name} = ${value};`),
    ];
    const set = await open(t, `path:${directoryWith(t, packageSet(attributes.join(" ")))}`);
    const revision = await set.resolve("latest", signal);
    const calls = watchCalls(t);
    const names = [...good.slice(0, 2), ...Object.keys(bad), ...good.slice(2)];
    const lines: string[] = [];
    const log = (line: string): void => void lines.push(line);
    const outcomes = await set.build({ revision, system, names }, { signal, log });
    assert.equal(evaluations(calls()), 1 + more);
    const failures = outcomes.flatMap((outcome) =>
      outcome.kind === "failure" ? [outcome.failure] : [],
    );
    assert.deepEqual(
      failures.map(({ reason }) => reason),
      words.map(() => "refused"),
    );
    for (const [at, pattern] of words.entries()) assert.match(failures[at]?.message ?? "", pattern);
    assert.equal(outcomes.filter(({ kind }) => kind === "built").length, good.length);
    assert.ok(!lines.some((line) => line.startsWith("trace:")), "marks are in the log");
  });
