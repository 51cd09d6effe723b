/** What the farm believes of a result before it looks into the bucket. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { blobsOf, checkResult } from "../../../edge/farm/check.ts";
import { MAX_RECORD } from "../../../edge/farm/limits.ts";
import type { Outcome, Result, Work } from "../../../edge/contract/messages.ts";
import type { PackageRecord } from "../../../edge/contract/records.ts";
import { levelRecord, packageRecord, publishJob, resolveJob, REVISION } from "./records.ts";

const nowhere = { put: () => Promise.resolve() };
const job = publishJob(["git", "curl~1"]);
const git = await packageRecord(nowhere, job, "git");
const curl: Outcome = { kind: "level", name: "curl", record: await levelRecord(nowhere, 1) };
const failure = { reason: "failed", message: "no" } as const;

const outcomes = (...list: Outcome[]): Result => ({ kind: "published", outcomes: list });
const withGit = (change: Partial<PackageRecord>): Result =>
  outcomes({ kind: "package", name: "git", record: { ...git, ...change } }, curl);
const [libc, own] = git.layers;
if (libc === undefined || own === undefined) throw new Error("the record has two layers");

const table: readonly [string, Work, Result, RegExp | null][] = [
  ["what was asked for", job, withGit({}), null],
  ["in another order", job, outcomes(curl, { kind: "package", name: "git", record: git }), null],
  [
    "failures",
    job,
    outcomes(
      { kind: "failure", name: "git", failure },
      { kind: "failure", name: "curl", level: 1, failure },
    ),
    null,
  ],
  ["a coarser level made", job, withGit({ level: 1, layers: [libc] }), null],
  ["a revision", resolveJob(), { kind: "resolved", revision: REVISION }, null],
  ["packages for a tag", resolveJob(), withGit({}), /was to resolve/],
  ["a revision for packages", job, { kind: "resolved", revision: REVISION }, /was to publish/],
  ["one missing", job, outcomes(curl), /no outcome for git/],
  ["one twice", job, outcomes(curl, curl), /comes twice/],
  [
    "one too many",
    job,
    outcomes({ kind: "package", name: "git", record: git }, curl, {
      kind: "failure",
      name: "jq",
      failure,
    }),
    /jq was not asked for/,
  ],
  [
    "a package for a level",
    job,
    outcomes(
      { kind: "package", name: "git", record: git },
      { kind: "package", name: "curl", record: { ...git, name: "curl" } },
    ),
    /curl was not asked for/,
  ],
  [
    "another level",
    job,
    outcomes(
      { kind: "package", name: "git", record: git },
      { ...curl, record: { ...curl.record, level: 2 } },
    ),
    /curl~2 was not asked for/,
  ],
  [
    "a failure of the package for that of a level",
    job,
    outcomes(
      { kind: "package", name: "git", record: git },
      { kind: "failure", name: "curl", failure },
    ),
    /curl was not asked for/,
  ],
  [
    "another package set",
    job,
    withGit({ packageSet: "channel" }),
    /is for packageSet channel, not starter/,
  ],
  ["another revision", job, withGit({ revision: "f".repeat(40) }), /is for revision/],
  ["another system", job, withGit({ system: "aarch64-linux" }), /is for system/],
  ["another plan", job, withGit({ plan: "f".repeat(64) }), /is for plan/],
  ["another package's record", job, withGit({ name: "curl" }), /is that of curl/],
  [
    "a part twice",
    job,
    withGit({ parts: [...git.parts.slice(0, 1), ...git.parts.slice(0, 1)] }),
    /has a part twice/,
  ],
  [
    "a part that is not there",
    job,
    withGit({ levels: [[0, 1], [2]] }),
    /names a part that does not exist/,
  ],
  [
    "a level that names a part twice",
    job,
    withGit({
      levels: [
        [0, 1],
        [0, 0],
      ],
    }),
    /names a part twice/,
  ],
  ["a level that is not there", job, withGit({ level: 2 }), /no level 2/],
  ["a level that cannot be used", job, withGit({ levels: [[], [0]] }), /no level 0/],
  [
    "layers in another order",
    job,
    withGit({ layers: [own, libc] }),
    /are not the parts of level 0/,
  ],
  ["a layer missing", job, withGit({ layers: [libc] }), /are not the parts of level 0/],
  ["a layer too many", job, withGit({ layers: [libc, own, own] }), /are not the parts of level 0/],
  [
    "a record too long",
    job,
    withGit({ description: "x".repeat(MAX_RECORD) }),
    new RegExp(`longer than ${MAX_RECORD}`),
  ],
];

describe("checkResult", () => {
  for (const [what, work, result, refused] of table) {
    test(what, () => {
      if (refused === null) checkResult(work, result);
      else assert.throws(() => checkResult(work, result), refused);
    });
  }
});

describe("blobsOf", () => {
  test("every blob once: layers, zstd layers, listings, logs", () => {
    const zstd = { digest: `sha256:${"1".repeat(64)}`, size: 3 } as const;
    const logBlob = { digest: `sha256:${"2".repeat(64)}`, size: 4 } as const;
    const blobs = blobsOf(
      outcomes(
        { kind: "package", name: "git", record: { ...git, layers: [{ ...libc, zstd }, own] } },
        curl,
        { kind: "failure", name: "jq", failure: { ...failure, logBlob } },
      ),
    );
    assert.deepEqual(
      [...blobs].sort(),
      [libc, own, git.listing, zstd, logBlob].map(({ digest, size }) => [digest, size]).sort(),
    );
  });

  test("one digest with two sizes is a lie", () => {
    assert.throws(
      () => blobsOf(withGit({ listing: { ...git.listing, digest: libc.digest } })),
      /is named with the sizes/,
    );
  });
});
