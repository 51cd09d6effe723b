/** What a build and its closure may take: what is beyond it fails, and names the limit. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { DryRun } from "../../../../origin/nix/build/dry-run.ts";
import { closureFailure, DEFAULT_LIMITS, withDefaults } from "../../../../origin/nix/limits.ts";
import { buildOf, directoryWith, needs, open, packageSet, summary, system } from "../support.ts";

const nix = { ...needs("nix-build"), timeout: 120_000 };

describe("builds", nix, () => {
  test("a silent one and a loud one fail, each with its limit; the others are built", async (t) => {
    const outcomes = await buildOf(
      t,
      `good = program "good";
       silent = mk "silent" "sleep 60";
       loud = mk "loud" "while :; do echo aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa; done";`,
      ["good", "silent", "loud"],
      { limits: { buildSilence: 2, buildLog: 50_000 } },
    );
    const { good, silent, loud } = summary(outcomes);
    assert.equal(good, "good");
    assert.match(
      silent ?? "",
      /^timeout: .*silent timed out after 2 seconds.*limit of this origin \(BUILD_SILENCE\)$/,
    );
    assert.match(
      loud ?? "",
      /^limit: .*loud was killed after .*50000 bytes of log.*limit of this origin \(BUILD_LOG\)$/,
    );
  });
});

test("a clock that is set meanwhile takes no time from a job", nix, async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const attributes = `late = builtins.trace "evaluating" (program "late");`;
  const set = await open(t, `path:${directoryWith(t, packageSet(attributes))}`);
  const revision = await set.resolve("latest", t.signal);
  let isSet = false;
  const log = (line: string): void => {
    if (!isSet && line.includes("evaluating")) t.mock.timers.tick(24 * 60 * 60 * 1_000);
    isSet ||= line.includes("evaluating");
  };
  const request = { revision, system, names: ["late"] } as const;
  assert.deepEqual(summary(await set.build(request, { signal: t.signal, log })), { late: "late" });
  assert.ok(isSet);
});

const planned = (text: string): DryRun => {
  const run = new DryRun();
  for (const line of text.split("\n")) run.add(line);
  return run;
};
const line = (size: string): string =>
  `this path will be fetched (0.1 MiB download, ${size} unpacked):`;

describe("a build that writes without end", nix, () => {
  test("is ended, and the limit named; whoever builds at once is asked again elsewhere", async (t) => {
    const write = "head -c 300000000 /dev/urandom > $out; sleep 100";
    const limits = { buildSize: 150_000_000 };
    const alone = await buildOf(t, `endless = mk "endless" "${write}";`, ["endless"], { limits });
    assert.match(
      summary(alone)["endless"] ?? "",
      /^limit: while endless was built the disk lost more than 0\.14 GiB.*\(BUILD_SIZE\)$/,
    );
    const both = await Promise.all(
      ["one", "two"].map((name) =>
        buildOf(t, `${name} = mk "${name}" "${write}";`, [name], { limits }),
      ),
    );
    for (const outcomes of both)
      assert.match(Object.values(summary(outcomes)).join(), /^error: while .*\(BUILD_SIZE\)$/);
  });
});

describe("what Nix would do", () => {
  test("its derivations and paths, and how large they are unpacked", () => {
    const { paths, unpacked } = planned(`these 2 derivations will be built:
  /nix/store/a.drv
  /nix/store/b.drv
these 35 paths will be fetched (35.38 MiB download, 172.50 MiB unpacked):
  /nix/store/c`);
    assert.deepEqual(paths, ["/nix/store/a.drv", "/nix/store/b.drv", "/nix/store/c"]);
    assert.equal(unpacked, 172.5 * 1024 ** 2);
  });

  test("one path, other units, units that nobody knows: these are beyond every limit", () => {
    assert.equal(planned(line("1.5 GiB")).unpacked, 1.5 * 1024 ** 3);
    assert.equal(planned(line("3 YiB")).unpacked, Infinity);
    assert.equal(planned("this derivation will be built:").unpacked, 0);
  });
});

describe("a closure", () => {
  const closure = new Map([
    ["/nix/store/a", { narSize: 600 }],
    ["/nix/store/b", { narSize: 500 }],
  ]);
  const limits = { closureLimit: 1_100, closurePaths: 2 };

  test("within the limits", () => assert.equal(closureFailure("x", closure, limits), undefined));
  test("of too many bytes", () => {
    const found = closureFailure("x", closure, { ...limits, closureLimit: 1_099 });
    assert.equal(found?.reason, "limit");
    assert.match(found.message, /^x with all that it needs has .*\(CLOSURE_LIMIT\)$/);
  });
  test("of too many paths", () => {
    const found = closureFailure("x", closure, { ...limits, closurePaths: 1 });
    assert.equal(found?.reason, "limit");
    assert.match(found.message, /^x needs 2 store paths, and 1 is the limit .*\(CLOSURE_PATHS\)$/);
  });
  test("without limits of its own has the defaults", () =>
    assert.deepEqual(withDefaults({ closurePaths: undefined as never }), DEFAULT_LIMITS));
});
