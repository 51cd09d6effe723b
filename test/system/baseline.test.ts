/**
 * Nixery's faults, each with the tests that would catch it here. What is checked is that they are
 * still there: a test renamed or dropped makes its fault show up again in this list.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "node:test";

const root = join(import.meta.dirname, "..");

/** Fault → file and words of a test in it. */
const FAULTS: readonly (readonly [
  fault: string,
  ...tests: readonly (readonly [file: string, words: string])[],
])[] = [
  [
    "equal requests are not coalesced",
    ["system/system.test.ts", "32 clients at once on one unknown image: one nix-build"],
    ["edge/pull/pull.test.ts", "many at once: one job, equal answers"],
  ],
  [
    "arm64 and amd64 share a cache key",
    ["edge/pull/pull.test.ts", "amd64 and arm64 are two images"],
    ["system/starter.test.ts", "arm64 and amd64 are two images"],
  ],
  [
    "every tag GET rewrites the stored manifest",
    ["edge/pull/pull.test.ts", "every answer is whole"],
  ],
  [
    "a missing blob or digest is 200 with an empty body",
    ["edge/registry/protocol.test.ts", "an absent blob"],
    ["edge/registry/blobs.test.ts", "no redirect to what is not there"],
  ],
  [
    "every build or evaluation error is one message",
    ["edge/pull/pull.test.ts", "a failed build: the reason in one line"],
    ["system/system.test.ts", "a failed build says why"],
    ["origin/nix/build/build.test.ts", "every other name has its own reason"],
  ],
  [
    "error JSON as text/plain",
    ["harness/registry-client.ts", "an error is JSON"],
    ["edge/registry/protocol.test.ts", "refusals"],
  ],
  [
    "no Docker-Content-Digest, no ETag",
    ["edge/registry/protocol.test.ts", "with the headers that clients check"],
    ["edge/registry/protocol.test.ts", "If-None-Match: 304"],
  ],
  [
    "the config blob is stored as a layer type",
    ["edge/compose/compose.test.ts", "everything named is there"],
  ],
  [
    "no tags/list, referrers, Accept",
    ["edge/registry/protocol.test.ts", "tags/list"],
    ["edge/registry/protocol.test.ts", "referrers"],
    ["edge/registry/protocol.test.ts", "Accept: "],
  ],
  ["no index", ["edge/compose/compose.test.ts", "zstd: an index"]],
  ["a query string is 404", ["edge/registry/protocol.test.ts", "an unknown query"]],
  [
    "POST, PUT, DELETE start builds",
    ["edge/registry/protocol.test.ts", "405 with Allow, and nothing is built"],
  ],
  [
    "meta-packages only first",
    ["edge/registry/protocol.test.ts", "another order"],
    ["edge/contract/names.test.ts", "one image has one canonical name"],
  ],
  ["any tag accepted with a path", ["origin/nix/sets/path.test.ts", "other tags are unknown"]],
  [
    "/tmp is 0555",
    ["edge/compose/profile.test.ts", "with modes, owner 0 and time 1"],
    ["clients/work.ts", "1777"],
  ],
  ["empty directories dropped", ["origin/layers/tree.test.ts", "empty files and directories"]],
  [
    "Nix's stdout is read to the end before stderr",
    ["origin/nix/run.test.ts", "stdout and stderr are read at the same time"],
  ],
  [
    "unstable order on equal ratings",
    ["origin/plan/build.test.ts", "is the same plan whatever the order"],
    ["system/system.test.ts", "byte for byte"],
    ["system/starter.test.ts", "both have the same digest"],
  ],
  ["the arm64 image points to the host's programs", ["system/starter.test.ts", "EM_AARCH64"]],
  [
    "stderr on a public page unescaped",
    ["edge/registry/protocol.test.ts", "as plain text, whatever host is claimed"],
  ],
  [
    "nothing is ever cleaned up",
    ["origin/layers/cache.test.ts", "the cache keeps to its limit"],
    ["origin/nix/build/roots.test.ts", "old jobs make room for new ones"],
  ],
  [
    "layers packed one after another",
    ["origin/layers/make.test.ts", "any number of threads makes the same bytes"],
  ],
];

describe("Nixery's faults", () => {
  for (const [fault, ...tests] of FAULTS) {
    test(fault, async () => {
      for (const [file, words] of tests)
        assert.ok(
          (await readFile(join(root, file), "utf8")).includes(words),
          `${file} has no "${words}" any more`,
        );
    });
  }
});
