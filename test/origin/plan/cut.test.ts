import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { layerKey } from "../../../edge/contract/keys.ts";
import { BUDGET } from "../../../edge/contract/levels.ts";
import {
  cutClosure,
  cutGroups,
  type LayerPlan,
  NO_PLAN,
  parsePlan,
  planId,
} from "../../../origin/plan/index.ts";
import { PLAN_VERSION } from "../../../origin/plan/plan.ts";
import type { StorePathInfo } from "../../../origin/nix/types.ts";

let serial = 0;
/** A store path of that name; every call makes another hash. */
function info(name: string, narSize: number): StorePathInfo {
  const hash = String(++serial).padStart(32, "0");
  return {
    path: `/nix/store/${hash}-${name}`,
    narHash: `sha256:${hash.padStart(64, "0")}`,
    narSize,
    references: [],
  };
}
const closureOf = (...paths: StorePathInfo[]) => new Map(paths.map((path) => [path.path, path]));
const plan: LayerPlan = {
  version: PLAN_VERSION,
  thresholds: [10_000, 3_000_000],
  smallPart: 1_000,
  gains: [8_000_000, 4_000_000, 1_000_000, 500_000],
  names: {
    "glibc-2.39": [0, 0.9],
    "libidn2-2.3.7": [0, 0.8],
    "openssl-3.0.13": [1, 0.5],
    "openssl-1.1.1w": [3, 0.2],
    "git-2.39.5": [2, 0.3],
  },
};
const glibc = info("glibc-2.39", 6_000_000);
const idn = info("libidn2-2.3.7", 2_000_000);
const openssl = info("openssl-3.0.13", 4_000_000);
const git = info("git-2.39.5", 1_000_000);
const odd = info("never-heard-of-1.0", 10);

/** Names of the paths of each part of a level. */
const named = (cut: ReturnType<typeof cutGroups<StorePathInfo>>, level: number) =>
  cut.levels[level]!.map((part) =>
    cut.parts[part]!.paths.map(({ path }) => path.slice(44)).join(" "),
  );

describe("cutClosure", () => {
  it("gives classes above the threshold a layer each, and everything else to the rest", () => {
    const cut = cutGroups(plan, [git, openssl, glibc, idn, odd]);
    assert.deepEqual(named(cut, 0), [
      "glibc-2.39 libidn2-2.3.7",
      "openssl-3.0.13",
      "git-2.39.5",
      "never-heard-of-1.0",
    ]);
    assert.deepEqual(named(cut, 1), [
      "glibc-2.39 libidn2-2.3.7",
      "openssl-3.0.13",
      "git-2.39.5 never-heard-of-1.0",
    ]);
    assert.deepEqual(named(cut, 2), [
      "glibc-2.39 libidn2-2.3.7 openssl-3.0.13 git-2.39.5 never-heard-of-1.0",
    ]);
    assert.equal(cut.level, 0);
  });

  it("names parts by layerKey, whatever the order of the closure", async () => {
    const cut = await cutClosure(plan, git.path, closureOf(git, openssl, glibc, idn, odd));
    const again = await cutClosure(plan, git.path, closureOf(odd, idn, glibc, git, openssl));
    assert.deepEqual(again, cut);
    assert.equal(cut.parts[0]!.key, await layerKey([idn, glibc]));
  });

  it("knows a class by the version nearest to the path's", () => {
    const [newer, older] = [info("openssl-3.0.14", 4_000_000), info("openssl-1.1.1x", 500_000)];
    assert.deepEqual(
      cutGroups(plan, [newer]).parts[0]!.rank,
      cutGroups(plan, [openssl]).parts[0]!.rank,
    );
    assert.deepEqual(cutGroups(plan, [older]).parts[0]!.rank, 0.2 * 500_000 ** 0.4);
  });

  it("ranks a part as its least wanted path, by load and bytes", () => {
    assert.equal(cutGroups(plan, [glibc, idn]).parts[0]!.rank, 0.8 * 8_000_000 ** 0.4);
    assert.equal(cutGroups(plan, [glibc, odd]).parts[1]!.rank, 0);
  });

  it("puts another output of a known package into the rest", () => {
    const cut = cutGroups(plan, [git, info("openssl-3.0.13-doc", 9_000_000)]);
    assert.deepEqual(named(cut, 0), ["git-2.39.5", "openssl-3.0.13-doc"]);
    assert.equal(cut.parts[1]!.rank, 0);
  });

  it("makes the part of those members that the closure has", () => {
    const cut = cutGroups(plan, [git, glibc]);
    assert.deepEqual(named(cut, 0), ["glibc-2.39", "git-2.39.5"]);
  });

  it("leaves a level of too many parts empty and takes the next", () => {
    const many = Array.from({ length: BUDGET.layers + 1 }, (_, number) =>
      info(`many${number}-1`, 1_000),
    );
    const wide: LayerPlan = {
      version: PLAN_VERSION,
      thresholds: [1, 50, 2_000],
      smallPart: 0,
      gains: many.map((_, number) => number + 1),
      names: Object.fromEntries(
        many.map(({ path }, number) => [path.slice(44), [number, 0.001 * number]]),
      ),
    };
    const cut = cutGroups(wide, many);
    assert.deepEqual(cut.levels[0], []);
    assert.equal(cut.levels.length, 4);
    assert.equal(
      cut.level,
      cut.levels.findIndex((level) => level.length > 0),
    );
    assert.ok(cut.levels.every((level) => level.length <= BUDGET.layers));
    assert.equal(
      cut.parts.length,
      new Set(cut.levels.flat()).size,
      "no part is listed that no level uses",
    );
  });

  it("takes a class that gains just the threshold, and a part of just the least size, as layers", () => {
    const exactly = { ...plan, thresholds: [1_000_000, 4_000_000], smallPart: 1_000_000 };
    assert.deepEqual(named(cutGroups(exactly, [git, openssl, odd]), 0), [
      "openssl-3.0.13",
      "git-2.39.5",
      "never-heard-of-1.0",
    ]);
    assert.deepEqual(named(cutGroups(exactly, [git, openssl]), 1), [
      "openssl-3.0.13",
      "git-2.39.5",
    ]);
    assert.deepEqual(
      cutGroups(exactly, [git]).parts.map(({ bare }) => bare),
      [false],
    );
  });

  it("counts the base among the layers", () => {
    const many = Array.from({ length: BUDGET.layers }, (_, number) =>
      info(`each${number}-1`, 1_000),
    );
    const each: LayerPlan = {
      ...plan,
      thresholds: [1],
      gains: many.map(() => 1),
      names: Object.fromEntries(many.map(({ path }, number) => [path.slice(44), [number, 0.1]])),
    };
    assert.equal(cutGroups(each, many).levels[0]?.length, BUDGET.layers);
    assert.deepEqual(cutGroups(each, many, [glibc]).levels[0], []);
    assert.equal(cutGroups(each, many.slice(1), [glibc]).levels[0]?.length, BUDGET.layers);
    assert.deepEqual(cutGroups(each, [...many.slice(1), odd], [glibc]).levels[0], []);
  });

  it("has the base whole as every package's first part, at every level, and nowhere else", () => {
    const base = [info("perl-5.36", 9_000_000), idn];
    for (const closure of [[git, glibc, idn], [git], [idn]]) {
      const cut = cutGroups(plan, closure, base);
      for (const level of cut.levels) assert.equal(level[0], 0);
      assert.deepEqual(
        cut.parts[0]!.paths.map(({ path }) => path).sort(),
        base.map(({ path }) => path).sort(),
      );
      assert.ok(
        cut.parts
          .slice(1)
          .every(({ rank, paths }) => rank < cut.parts[0]!.rank && !paths.includes(idn)),
      );
    }
    assert.equal(cutGroups(plan, [idn], base).parts.length, 1, "all of it is in the base");
  });

  it("makes layers at the last level, however small: so many packages fit whatever they are", () => {
    const cut = cutGroups(plan, [git, odd], [glibc]);
    const kinds = cut.levels.map((level) => level.map((part) => cut.parts[part]!.bare));
    assert.deepEqual(kinds.at(-1), [false, false]);
    const tiny = cutGroups(plan, [odd]);
    assert.deepEqual(
      tiny.levels.map((level) => level.map((part) => tiny.parts[part]!.bare)),
      [[true], [true], [false]],
      "the same paths, as a small part and as a layer",
    );
    assert.deepEqual(new Set(tiny.parts.map(({ paths }) => paths)), new Set([[odd]]));
  });

  it("finds parts below the plan's size too small for a layer, but never the base", () => {
    const cut = cutGroups(plan, [git, odd], [info("tiny-1", 1)]);
    assert.deepEqual(cut.parts.map(({ bare, size }) => [bare, size]).slice(0, 3), [
      [false, 1],
      [false, 1_000_000],
      [true, 10],
    ]);
  });

  it("without a plan decides by the NAR size alone", () => {
    const cut = cutGroups(NO_PLAN, [git, openssl, glibc, odd]);
    assert.deepEqual(named(cut, 0), [
      "glibc-2.39",
      "openssl-3.0.13",
      "git-2.39.5 never-heard-of-1.0",
    ]);
    assert.deepEqual(named(cut, cut.levels.length - 1).length, 1);
  });

  it("refuses a closure without its own path", async () => {
    await assert.rejects(cutClosure(plan, git.path, closureOf(glibc)), /does not hold/);
  });
});

describe("a plan", () => {
  it("is named by its canonical JSON", async () => {
    assert.match(await planId(plan), /^[0-9a-f]{64}$/);
    assert.equal(await planId(parsePlan(JSON.stringify(plan))), await planId(plan));
    assert.equal(await planId(NO_PLAN), "none");
  });

  it("is checked when it is read", () => {
    assert.throws(
      () => parsePlan(JSON.stringify({ ...plan, gains: [] })),
      /class that it does not have/,
    );
    assert.throws(
      () => parsePlan(JSON.stringify({ ...plan, gains: plan.gains.slice(0, -1) })),
      /class that it does not have/,
    );
    for (const thresholds of [
      [2, 1],
      [1, 1],
    ])
      assert.throws(() => parsePlan(JSON.stringify({ ...plan, thresholds })), /do not rise/);
    assert.throws(() => parsePlan(JSON.stringify({ ...plan, version: 1 })));
  });
});
