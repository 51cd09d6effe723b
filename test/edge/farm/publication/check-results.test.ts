/** What the farm believes of a result before it looks into the bucket. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  checkClaims,
  checkLength,
  checkResults,
  checkSignatures,
  claimsOf,
  partsOf,
} from "../../../../edge/farm/publication/check-results.ts";
import type { Item, Result } from "../../../../edge/contract/items.ts";
import { canonicalJson } from "../../../../edge/contract/keys.ts";
import type {
  LayerStatement,
  PackageRecord,
  PackageStatement,
} from "../../../../edge/contract/records.ts";
import { MAX_RECORD } from "../../../../edge/farm/limits.ts";
import { keys, signOf } from "../keys.ts";
import {
  indexItem,
  indexResult,
  indexStatement,
  levelResult,
  packageItems,
  packageRecord,
  packageResult,
  REVISION,
  signedLayers,
  statedPackage,
  tagItems,
} from "../records.ts";

const nowhere = { put: () => Promise.resolve() };
const sign = signOf("a");
const items = packageItems(["git", "curl~1"]);
const git = await statedPackage(nowhere, "git");
const curl = await levelResult(nowhere, 1, sign);
const failure: Result = { kind: "failure", failure: { reason: "failed", message: "no" } };
const index = async (path: readonly string[], revision = REVISION): Promise<Result> =>
  indexResult({ ...(await indexStatement(nowhere, indexItem(path))), revision }, sign);
const indexOfA = await index(["a"]);
const revision: Result = { kind: "revision", revision: REVISION };

test("a record may have 384 Ki characters as JSON, and no more", async () => {
  const record = await packageRecord(nowhere, "git");
  const { length } = canonicalJson({ ...record, description: "" });
  const withLength = (characters: number): PackageRecord => ({
    ...record,
    description: "x".repeat(characters - length),
  });
  const [item] = packageItems(["git"]);
  if (item === undefined) throw new Error("no item");
  assert.doesNotThrow(() => checkLength(item, withLength(MAX_RECORD)));
  assert.throws(
    () => checkLength(item, withLength(MAX_RECORD + 1)),
    /of git is longer than 393216/,
  );
});

const withGit = (change: Partial<PackageStatement>): Result[] => [
  packageResult({ ...git, statement: { ...git.statement, ...change } }, sign),
  curl,
];
const [libc, own] = git.layers;
if (libc === undefined || own === undefined) throw new Error("the package has two layers");
const { parts } = git.statement;

const table: readonly [string, readonly Item[], readonly Result[], RegExp | null][] = [
  ["what was asked for", items, withGit({}), null],
  ["in another order", items, withGit({}).toReversed(), /git was answered with a level/],
  ["failures", items, [failure, failure], null],
  ["a coarser level made", items, withGit({ level: 1 }), null],
  ["a revision", tagItems(), [revision], null],
  ["a failure for a tag", tagItems(), [failure], null],
  ["a package for a tag", tagItems(), withGit({}).slice(0, 1), /tag latest was answered with a p/],
  ["a revision for a package", items, [revision, curl], /git was answered with a revision/],
  ["an index", [indexItem(["a"])], [await index(["a"])], null],
  [
    "a package for an index",
    [indexItem()],
    withGit({}).slice(0, 1),
    /the index was answered with a p/,
  ],
  ["an index for a package", items, [await index([]), curl], /git was answered with an? index/],
  [
    "the index of another set",
    [indexItem(["a"])],
    [await index(["b"])],
    /the index of a was answered with .*top\.b\.json/,
  ],
  [
    "the index of another revision",
    [indexItem()],
    [await index([], "f".repeat(40))],
    /the index was answered with .*ffff/,
  ],
  ["one missing", items, withGit({}).slice(0, 1), /1 results for 2 items/],
  ["one too many", items, [...withGit({}), failure], /3 results for 2 items/],
  [
    "a package for a level",
    items,
    [
      packageResult(git, sign),
      packageResult({ ...git, statement: { ...git.statement, name: "curl" } }, sign),
    ],
    /curl at level 1 was answered with a package/,
  ],
  [
    "another level",
    items,
    [packageResult(git, sign), await levelResult(nowhere, 2, sign)],
    /curl at level 1 was answered with level 2/,
  ],
  [
    "another package set",
    items,
    withGit({ packageSet: "channel" }),
    /is for packageSet channel, not starter/,
  ],
  ["another revision", items, withGit({ revision: "f".repeat(40) }), /is for revision/],
  ["another system", items, withGit({ system: "aarch64-linux" }), /is for system/],
  ["another plan", items, withGit({ plan: "f".repeat(64) }), /is for plan/],
  ["another package's record", items, withGit({ name: "curl" }), /is for name curl, not git/],
  [
    "a part twice",
    items,
    withGit({ parts: [...parts.slice(0, 1), ...parts.slice(0, 1)] }),
    /has a part twice/,
  ],
  [
    "a part that is not there",
    items,
    withGit({ levels: [[0, 1], [2]] }),
    /names a part that does not exist/,
  ],
  [
    "a level that names a part twice",
    items,
    withGit({
      levels: [
        [0, 1],
        [0, 0],
      ],
    }),
    /names a part twice/,
  ],
  ["a level that is not there", items, withGit({ level: 2 }), /no level 2/],
  ["a level that cannot be used", items, withGit({ levels: [[], [0]] }), /no level 0/],
];

describe("checkResults", () => {
  for (const [what, items, results, refused] of table) {
    test(what, () => {
      if (refused === null) checkResults(items, results);
      else assert.throws(() => checkResults(items, results), refused);
    });
  }
});

const stated = (change: Partial<LayerStatement>): Result[] => [
  packageResult({ ...git, layers: [{ ...libc, ...change }, own] }, sign),
];

describe("claimsOf", () => {
  test("each layer once, although several results state it", () => {
    const claims = claimsOf([...withGit({}), curl, failure]);
    assert.deepEqual(
      [...claims.values()].map(({ statement }) => statement),
      [libc, own],
    );
  });

  test("a layer that is stated in two ways is invalid", () => {
    assert.throws(() => claimsOf([...stated({ size: 1 }), curl]), /two layers are stated for/);
  });

  test("gzip and zstd are two blobs of one layer, with one diffId", () => {
    const zstd = { ...libc, codec: "zstd", digest: own.digest } as const;
    const results = (change: Partial<LayerStatement>): Result[] => [
      packageResult({ ...git, layers: [libc, { ...zstd, ...change }, own] }, sign),
    ];
    const wanted = new Map(parts.map((part) => [part.key, part]));
    checkClaims(wanted, claimsOf(results({})));
    assert.throws(
      () => checkClaims(wanted, claimsOf(results({ diffId: own.digest }))),
      /has two diffIds/,
    );
  });
});

describe("checkClaims", () => {
  const trees = [{ name: `${"0".repeat(32)}-git-1.0`, size: own.size, tarSize: 9 }];
  const asTrees: LayerStatement = { ...own, trees };
  const cases: readonly [string, boolean, readonly LayerStatement[], RegExp | null][] = [
    ["layers", false, [libc, own], null],
    ["fewer layers: the others are known", false, [own], null],
    ["a layer of no package", false, [{ ...libc, key: "f".repeat(64) }], /belongs to no package/],
    ["a small part as trees", true, [libc, asTrees], null],
    ["a small part as a layer", true, [libc, own], /is small, or its blob is/],
    ["a small part with zstd", true, [{ ...own, codec: "zstd" }], /was packed by zstd/],
    ["a layer as trees", false, [libc, asTrees], /is small, or its blob is/],
    [
      "trees that are not the whole blob",
      true,
      [{ ...asTrees, size: own.size + 1 }],
      /do not match its blob/,
    ],
  ];
  for (const [what, isSmall, layers, refused] of cases)
    test(what, () => {
      const wanted = parts.map((part) =>
        isSmall && part.key === own.key ? { ...part, small: 9 } : part,
      );
      const claims = claimsOf([{ kind: "level", level: 1, layers: signedLayers(layers, sign) }]);
      const check = (): void => checkClaims(new Map(wanted.map((p) => [p.key, p])), claims);
      if (refused === null) check();
      else assert.throws(check, refused);
    });
});

test("partsOf: the parts of a level, and no level that cannot be used", () => {
  assert.deepEqual(partsOf(git.statement, 1), parts.slice(0, 1));
  for (const [levels, level] of [
    [[[0, 1], [0]], 2],
    [[[], [0]], 0],
  ] as const)
    assert.throws(
      () => partsOf({ ...git.statement, levels: levels.map((one) => [...one]) }, level),
      /has no level . that can be used/,
    );
});

describe("checkSignatures", () => {
  const x = keys["a"]?.publicKey ?? "";
  const check = (results: readonly Result[], key = x): Promise<void> =>
    checkSignatures(results, claimsOf(results), { name: "a", x: key });

  test("what the origin has signed", async () => {
    await check([...withGit({}), await index(["a"]), failure, revision]);
  });

  const forged: readonly [string, readonly Result[], RegExp][] = [
    ["a package", withGit({}).map((r) => withStatement(r, "package")), /the record of git/],
    ["a layer", [withStatement(packageResult(git, sign), "layer")], /has not signed layers\//],
    ["an index", [withStatement(indexOfA, "index")], /the index/],
  ];
  for (const [what, results, says] of forged)
    test(`${what} that was changed after it was signed`, () =>
      assert.rejects(check(results), says));

  test("another origin's word", () =>
    assert.rejects(check(withGit({}), keys["b"]?.publicKey), /a has not signed/));

  test("a signature of another kind of record", async () => {
    const [result] = withGit({});
    assert.ok(result?.kind === "package");
    const signature = sign("index", result.statement as never);
    await assert.rejects(check([{ ...result, signature }]), /has not signed the record of git/);
  });
});

/** The same signatures, over something else. */
function withStatement(result: Result, changed: "package" | "layer" | "index"): Result {
  if (result.kind === "package" && changed === "package")
    return { ...result, statement: { ...result.statement, version: "6.6.6" } };
  if (result.kind === "package" && changed === "layer") {
    const layers = result.layers.map(({ statement, signature }) => ({
      statement: { ...statement, diffId: statement.digest },
      signature,
    }));
    return { ...result, layers };
  }
  if (result.kind === "index" && changed === "index")
    return { ...result, statement: { ...result.statement, path: ["other"] } };
  return result;
}
