/** What the farm believes of a result before it looks into the bucket. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blobsOf, checkResults } from "../../../edge/farm/check.ts";
import { MAX_RECORD } from "../../../edge/farm/limits.ts";
import type { Item, Result } from "../../../edge/contract/messages.ts";
import type { PackageRecord } from "../../../edge/contract/records.ts";
import {
  indexItem,
  indexRecord,
  levelRecord,
  packageItems,
  packageRecord,
  REVISION,
  tagItems,
} from "./records.ts";

const nowhere = { put: () => Promise.resolve() };
const items = packageItems(["git", "curl~1"]);
const git = await packageRecord(nowhere, "git");
const curl: Result = { kind: "level", record: await levelRecord(nowhere, 1) };
const failure: Result = { kind: "failure", failure: { reason: "failed", message: "no" } };
const index = async (path: readonly string[], revision = REVISION): Promise<Result> => ({
  kind: "index",
  record: { ...(await indexRecord(nowhere, indexItem(path))), revision },
});
const revision: Result = { kind: "revision", revision: REVISION };

const withGit = (change: Partial<PackageRecord>): Result[] => [
  { kind: "package", record: { ...git, ...change } },
  curl,
];
const [libc, own] = git.layers;
if (libc === undefined || own === undefined) throw new Error("the record has two layers");

const small = git.parts.map((part) => (part.key === own.key ? { ...part, small: 9 } : part));
const asTrees = {
  ...own,
  trees: [{ name: `${"0".repeat(32)}-git-1.0`, size: own.size, tarSize: 9 }],
};

const table: readonly [string, readonly Item[], readonly Result[], RegExp | null][] = [
  ["what was asked for", items, withGit({}), null],
  ["in another order", items, withGit({}).toReversed(), /git was answered with a level/],
  ["failures", items, [failure, failure], null],
  ["a coarser level made", items, withGit({ level: 1, layers: [libc] }), null],
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
      { kind: "package", record: git },
      { kind: "package", record: { ...git, name: "curl" } },
    ],
    /curl at level 1 was answered with a package/,
  ],
  [
    "another level",
    items,
    [
      { kind: "package", record: git },
      { ...curl, record: { ...curl.record, level: 2 } },
    ],
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
    withGit({ parts: [...git.parts.slice(0, 1), ...git.parts.slice(0, 1)] }),
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
  [
    "layers in another order",
    items,
    withGit({ layers: [own, libc] }),
    /are not the parts of level 0/,
  ],
  ["a layer missing", items, withGit({ layers: [libc] }), /are not the parts of level 0/],
  [
    "a layer too many",
    items,
    withGit({ layers: [libc, own, own] }),
    /are not the parts of level 0/,
  ],
  ["a small part as trees", items, withGit({ parts: small, layers: [libc, asTrees] }), null],
  ["a small part as a layer", items, withGit({ parts: small }), /is small, or its blob is/],
  ["a layer as trees", items, withGit({ layers: [libc, asTrees] }), /is small, or its blob is/],
  [
    "trees that are not the whole blob",
    items,
    withGit({ parts: small, layers: [libc, { ...asTrees, size: own.size + 1 }] }),
    /are not its blob/,
  ],
  [
    "a record too long",
    items,
    withGit({ description: "x".repeat(MAX_RECORD) }),
    new RegExp(`longer than ${MAX_RECORD}`),
  ],
];

describe("checkResults", () => {
  for (const [what, items, results, refused] of table) {
    test(what, () => {
      if (refused === null) checkResults(items, results);
      else assert.throws(() => checkResults(items, results), refused);
    });
  }
});

describe("blobsOf", () => {
  test("every blob of a record once: layers, zstd layers, listings", () => {
    const zstd = { digest: `sha256:${"1".repeat(64)}`, size: 3 } as const;
    const blobs = blobsOf([
      { kind: "package", record: { ...git, layers: [{ ...libc, zstd }, own] } },
      curl,
      failure,
    ]);
    assert.deepEqual(
      [...blobs].sort(),
      [libc, own, git.listing, zstd].map(({ digest, size }) => [digest, size]).sort(),
    );
  });

  test("one digest with two sizes is invalid", () => {
    assert.throws(
      () => blobsOf(withGit({ listing: { ...git.listing, digest: libc.digest } })),
      /is named with the sizes/,
    );
  });
});
