import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { BuildOutcome } from "../../../../origin/nix/types.ts";
import {
  buildOf,
  directoryWith,
  needs,
  open,
  packageSet,
  script,
  signal,
  summary,
  system,
  temporary,
} from "../support.ts";

const nix = { ...needs("nix-build"), timeout: 120_000 };

const failureOf = (outcomes: readonly BuildOutcome[], name: string) => {
  const outcome = outcomes.find((one) => one.kind === "failure" && one.name === name);
  assert.ok(outcome?.kind === "failure", `${name} has no failure`);
  return outcome.failure;
};
const builtOf = (outcomes: readonly BuildOutcome[], name: string) => {
  const outcome = outcomes.find((one) => one.kind === "built" && one.package.name === name);
  assert.ok(outcome?.kind === "built", `${name} was not built: ${JSON.stringify(outcomes)}`);
  return outcome.package;
};

test("one job: what builds is built, and every other name has its own reason", nix, async (t) => {
  const attributes = `
    hello = program "hello"; ImageMagick = program "magick"; _7zz = program "7zz";
    py = { Requests = program "requests"; }; f = x: x; text = "x";
    broken = throw "broken-1.0 is marked as broken"; wrong = assert 1 == 2; hello;
    aborts = abort "no more"; mistyped = 1 + "x";
    fails = mk "fails-1.0" "echo the last line; exit 3";
    needsIt = mkWith "top-2.0" { inherit fails; } "echo > $out";`;
  const names = [
    "hello",
    "imagemagick",
    "7zz",
    "py.requests",
    "py",
    "f",
    "text",
    "broken",
    "wrong",
    "aborts",
    "mistyped",
    "fails",
    "needsit",
    "helo",
    "py.reqests",
    "hello",
  ];
  const outcomes = await buildOf(t, attributes, names);
  assert.deepEqual(summary(outcomes), {
    hello: "hello",
    imagemagick: "ImageMagick",
    "7zz": "_7zz",
    "py.requests": "py.Requests",
    py: "unknown: py is a set of packages, not a package: ask for one of them, py.<package>",
    f: "unknown: f is a function, not a package",
    text: "unknown: text is a string, not a package",
    broken: "refused: broken: broken-1.0 is marked as broken",
    wrong: "refused: wrong: assertion '(1 == 2)' failed",
    aborts: failureOf(outcomes, "aborts").reason + ": " + failureOf(outcomes, "aborts").message,
    mistyped:
      failureOf(outcomes, "mistyped").reason + ": " + failureOf(outcomes, "mistyped").message,
    fails: "failed: the build of fails-1.0 failed with exit code 3",
    needsit: "failed: needsit needs fails-1.0, whose build failed with exit code 3",
    helo: "unknown: there is no package helo",
    "py.reqests": "unknown: there is no reqests in py",
  });
  assert.match(summary(outcomes)["aborts"] ?? "", /^refused: aborts: .*no more/);
  assert.match(summary(outcomes)["mistyped"] ?? "", /^refused: mistyped: cannot (add|coerce)/);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.kind === "built" ? outcome.package.name : outcome.name)),
    [...new Set(names)],
  );
  assert.deepEqual(failureOf(outcomes, "helo").nearest, ["hello"]);
  assert.deepEqual(failureOf(outcomes, "py.reqests").nearest, ["py.requests"]);
  assert.deepEqual(failureOf(outcomes, "needsit").log, ["the last line"]);
  for (const name of ["hello", "py.requests"])
    assert.ok(existsSync(builtOf(outcomes, name).storePath));
});

test(
  "metadata: the package's own, else its name; a program only when it exists; none of it can fail a package",
  nix,
  async (t) => {
    const alone = temporary(t);
    writeFileSync(join(alone, "secret"), "");
    const attributes = `
    said = program "tool" // {
      pname = "said"; version = "1.2";
      meta = { description = "Does\\n  things"; mainProgram = "tool"; };
    };
    lies = program "other" // { meta.mainProgram = "missing"; };
    named = mk "named-3.4" "mkdir -p $out/bin; : > $out/bin/named; : > $out/bin/zzz";
    library = mk "library-1" "mkdir $out";
    circle = mk "circle-1" "mkdir $out; ln -s bin $out/bin";
    inside = mk "inside-1" "mkdir -p $out/libexec; : > $out/libexec/tool; ln -s libexec $out/bin";
    outside = mk "outside-1" "mkdir $out; ln -s ${alone} $out/bin";
    evil = program "evil" // { meta = { description = throw "x"; mainProgram = "../../etc/passwd"; }; };`;
    const names = "said lies named library circle inside outside evil".split(" ");
    const outcomes = await buildOf(t, attributes, names);
    const shown = outcomes.map((outcome) => {
      assert.equal(outcome.kind, "built");
      if (outcome.kind !== "built") return [];
      const { pname, version, description, mainProgram } = outcome.package;
      return [pname, version, description, mainProgram];
    });
    assert.deepEqual(shown, [
      ["said", "1.2", "Does things", "tool"],
      ["other", "", undefined, "other"],
      ["named", "3.4", undefined, "named"],
      ["library", "1", undefined, undefined],
      ["circle", "1", undefined, undefined],
      ["inside", "1", undefined, "tool"],
      ["outside", "1", undefined, undefined],
      ["evil", "", undefined, "evil"],
    ]);
  },
);

test(
  "a package is its default output, or the one in meta.outputsToInstall; a name can ask for another",
  nix,
  async (t) => {
    const attributes = `
    plain = mkWith "plain" { outputs = [ "lib" "man" ]; } "mkdir $lib $man";
    installs = mkWith "installs" { outputs = [ "dev" "bin" ]; } "mkdir $dev $bin"
      // { meta.outputsToInstall = [ "bin" ]; };`;
    const outcomes = await buildOf(t, attributes, [
      "plain",
      "plain.man",
      "installs",
      "installs.dev",
    ]);
    const suffixes = outcomes.map((outcome) =>
      outcome.kind === "built"
        ? outcome.package.storePath.replace(/^.*-(?=[a-z]+$)/, "")
        : outcome.failure.message,
    );
    assert.deepEqual(suffixes, ["lib", "man", "bin", "dev"]);
  },
);

test("a set that takes no system has its packages for one system only", nix, async (t) => {
  const directory = directoryWith(
    t,
    packageSet(`x = program "x";`).replace(
      "{ system ? builtins.currentSystem, ... }:",
      "let system = builtins.currentSystem; in",
    ),
  );
  const set = await open(t, `path:${directory}`);
  const outcomes = await set.build(
    { revision: await set.resolve("latest", signal), system: "aarch64-linux", names: ["x"] },
    { signal, log: () => {} },
  );
  assert.match(summary(outcomes)["x"] ?? "", /^unknown: this package set has x for \S+ only$/);
});

test("a set that does not load is one refusal, with Nix's message", nix, async (t) => {
  const set = await open(
    t,
    `path:${directoryWith(t, '{ system, ... }: throw "the set is broken"')}`,
  );
  const revision = await set.resolve("latest", signal);
  await assert.rejects(
    set.build({ revision, system, names: ["a", "b"] }, { signal, log: () => {} }),
    (error: { failure?: unknown }) => {
      assert.partialDeepStrictEqual(error.failure, {
        reason: "refused",
        message: "the package set does not evaluate: the set is broken",
      });
      return true;
    },
  );
});

test(
  "a build above NIX_TIMEOUT is ended with its processes; what was built before stays built",
  nix,
  async (t) => {
    const pidFile = join(temporary(t), "pid");
    const script = `echo $$ > ${pidFile}; echo waiting; sleep 1000; echo > $out`;
    const attributes = `
    quick = program "quick";
    slow = mkWith "slow" { inherit quick; } "${script}";`;
    const outcomes = await buildOf(t, attributes, ["quick", "slow"], { nixTimeout: 5 });
    assert.equal(summary(outcomes)["quick"], "quick");
    assert.equal(failureOf(outcomes, "slow").reason, "timeout");
    assert.match(failureOf(outcomes, "slow").message, /^building slow took longer than 5 s/);
    assert.ok(failureOf(outcomes, "slow").log?.includes("waiting"));
    const pid = Number(readFileSync(pidFile, "utf8"));
    assert.throws(() => process.kill(pid, 0), "the builder is still there");
  },
);

test("the limit of Nix's own configuration is a timeout too", nix, async (t) => {
  const nixConfig = `${process.env["NIX_CONFIG"] ?? ""}\ntimeout = 1`;
  const outcomes = await buildOf(t, `slow = mk "slow-1" "sleep 1000";`, ["slow"], { nixConfig });
  assert.equal(summary(outcomes)["slow"], "timeout: the build of slow-1 timed out after 1 seconds");
});

test("an aborted build ends its processes and throws the reason", nix, async (t) => {
  const set = await open(
    t,
    `path:${directoryWith(t, packageSet(`slow = mk "slow" "echo started $$; sleep 1000";`))}`,
  );
  const abort = new AbortController();
  let pid = 0;
  const revision = await set.resolve("latest", signal);
  const log = (line: string): void => {
    const started = /^started (\d+)$/.exec(line);
    if (started === null) return;
    pid = Number(started[1]);
    abort.abort(new Error("cancelled"));
  };
  await assert.rejects(
    set.build({ revision, system, names: ["slow"] }, { signal: abort.signal, log }),
    /cancelled/,
  );
  assert.throws(() => process.kill(pid, 0), "the builder is still there");
});

test(
  "two jobs that need the same derivation build it once; others do not wait for them",
  nix,
  async (t) => {
    const runs = temporary(t);
    const gate = join(temporary(t), "gate");
    const attributes = `
    shared = mk "shared" "date +%N > ${runs}/$$; while ! [ -e ${gate} ]; do sleep 0.05; done; mkdir $out";
    one = mkWith "one" { inherit shared; } "mkdir $out";
    two = mkWith "two" { inherit shared; } "mkdir $out"; other = mk "other" "mkdir $out";`;
    const set = await open(t, `path:${directoryWith(t, packageSet(attributes))}`);
    const revision = await set.resolve("latest", signal);
    const build = (name: string) =>
      set.build({ revision, system, names: [name] }, { signal, log: () => {} });
    const both = [build("one"), build("two")];
    assert.deepEqual(summary(await build("other")), { other: "other" });
    writeFileSync(gate, "");
    assert.deepEqual((await Promise.all(both)).map(summary), [{ one: "one" }, { two: "two" }]);
    assert.equal(readdirSync(runs).length, 1);
  },
);

test("what is built is not built again, and a restart still knows it", nix, async (t) => {
  const stateDir = temporary(t);
  const spec = `path:${directoryWith(t, packageSet(`a = program "a"; b = program "b";`))}`;
  const build = async (names: string[]): Promise<string[]> => {
    const lines: string[] = [];
    const set = await open(t, spec, { stateDir });
    const outcomes = await set.build(
      { revision: await set.resolve("latest", signal), system, names },
      { signal, log: (line) => lines.push(line) },
    );
    assert.ok(outcomes.every(({ kind }) => kind === "built"));
    return lines.filter((line) => line.startsWith("building '"));
  };
  assert.equal((await build(["a"])).length, 1);
  assert.equal((await build(["a", "b"])).length, 1);
  assert.equal((await build(["b", "a"])).length, 0);
});

test("what was built is a root of Nix's garbage collector", nix, async (t) => {
  const stateDir = temporary(t);
  const set = await open(t, `path:${directoryWith(t, packageSet(`a = program "a";`))}`, {
    stateDir,
  });
  const built = builtOf(
    await set.build(
      { revision: await set.resolve("latest", signal), system, names: ["a"] },
      { signal, log: () => {} },
    ),
    "a",
  );
  const { stdout } = spawnSync("nix-store", ["--query", "--roots", built.storePath], {
    encoding: "utf8",
  });
  assert.match(stdout, new RegExp(`${stateDir}/roots/`));
});

test(
  "a disk that fills up during a build is trouble of the machine, not of the package",
  nix,
  async (t) => {
    const outcomes = await buildOf(
      t,
      `full = mk "full" "echo 'write error: No space left on device'; exit 1";`,
      ["full"],
    );
    assert.equal(failureOf(outcomes, "full").reason, "error");
    assert.match(failureOf(outcomes, "full").message, /the disk is full/);
  },
);

test("a Nix that is killed is trouble of the machine", nix, async (t) => {
  const bin = temporary(t);
  mkdirSync(join(bin, "bin"));
  const program = script(t, "kill -9 $$");
  writeFileSync(join(bin, "bin", "nix-build"), `#!/bin/sh\nexec ${program}\n`, { mode: 0o755 });
  const path = process.env["PATH"];
  process.env["PATH"] = `${join(bin, "bin")}:${path}`;
  t.after(() => {
    process.env["PATH"] = path;
  });
  const outcomes = await buildOf(t, `a = program "a";`, ["a"]);
  assert.equal(summary(outcomes)["a"], "error: Nix was ended by SIGKILL while building");
});

test("a store path that somebody deleted by hand is trouble of the machine", nix, async (t) => {
  const spec = `path:${directoryWith(t, packageSet(`a = program "a";`))}`;
  const build = async (): Promise<BuildOutcome[]> => {
    const set = await open(t, spec);
    return set.build(
      { revision: await set.resolve("latest", signal), system, names: ["a"] },
      { signal, log: () => {} },
    );
  };
  const { storePath } = builtOf(await build(), "a");
  spawnSync("chmod", ["-R", "u+w", storePath]);
  rmSync(storePath, { recursive: true });
  const failure = failureOf(await build(), "a");
  spawnSync("nix-store", ["--delete", "--ignore-liveness", storePath]);
  assert.equal(failure.reason, "error");
  assert.match(failure.message, /nix-store --verify/);
});
