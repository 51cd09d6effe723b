/** What went wrong, as status, code and words: pure, so every case of DESIGN.md's table is here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Failure } from "../../../edge/contract/messages.ts";
import {
  type Failed,
  listed,
  notDone,
  packagesFailed,
  tagFailed,
} from "../../../edge/pull/failures.ts";

const failed = (name: string, reason: Failure["reason"], more: Partial<Failure> = {}): Failed => ({
  name,
  failure: { reason, message: `why ${name}`, ...more },
});
const blobUrl = (digest: string): string => `http://firn.example/v2/x/blobs/${digest}`;

const table: [string, Failed[], number, string, RegExp][] = [
  [
    "one unknown package",
    [failed("gti", "unknown", { nearest: ["git"] })],
    404,
    "MANIFEST_UNKNOWN",
    /^why gti \(nearest: git\)$/,
  ],
  [
    "unknown ones before others",
    [failed("a", "failed"), failed("b", "unknown"), failed("c", "unknown")],
    404,
    "MANIFEST_UNKNOWN",
    /^why b; why c$/,
  ],
  ["a refusal", [failed("a", "refused")], 500, "UNKNOWN", /^package a refuses to evaluate: why a$/],
  [
    "a failed build",
    [failed("a", "failed", { logBlob: { digest: `sha256:${"0".repeat(64)}`, size: 1 } })],
    500,
    "UNKNOWN",
    /^package a does not build: why a \(log: http:.*0000\)$/,
  ],
  [
    "the first of several",
    [failed("a", "timeout"), failed("b", "failed")],
    504,
    "UNKNOWN",
    /^package a took too long to build: why a$/,
  ],
  [
    "an origin's trouble",
    [failed("a", "error")],
    503,
    "UNAVAILABLE",
    /^no origin could build a just now: why a$/,
  ],
  ["nothing at all", [], 500, "UNKNOWN", /without an outcome/],
];
for (const [what, failures, status, code, message] of table) {
  test(`${what}: ${status}`, () => {
    const error = packagesFailed(failures, blobUrl);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal((error.detail as { failures: unknown[] }).failures.length, failures.length);
    if (status === 503) assert.match(error.headers["Retry-After"] ?? "", /^\d+$/);
  });
}

test("tags: unknown says what tags mean, the rest passes", () => {
  const error = tagFailed(
    "x",
    { reason: "unknown", message: "no ref x", nearest: ["y"] },
    "A tag is a branch",
  );
  assert.deepEqual(
    [error.status, error.code, error.message],
    [404, "MANIFEST_UNKNOWN", 'the tag "x" is unknown: no ref x (nearest: y). A tag is a branch'],
  );
  assert.equal(tagFailed("x", { reason: "timeout", message: "60 s" }, "").status, 504);
  assert.equal(tagFailed("x", { reason: "error", message: "network" }, "").status, 503);
});

test("not done: which of the three it is, with Retry-After", () => {
  const deadline = { at: 0, seconds: 600 };
  const wish = { doing: "building git", system: "aarch64-linux" as const };
  for (const [state, message] of [
    ["no-origin", /no origin for aarch64-linux/],
    ["queue-full", /queue is full/],
    ["building", /not finished after 600 seconds/],
  ] as const) {
    const error = notDone(state, wish, deadline);
    assert.deepEqual([error.status, error.code], [503, "UNAVAILABLE"]);
    assert.match(error.message, message);
    assert.match(error.message, /building git/);
    assert.match(error.headers["Retry-After"] ?? "", /^\d+$/);
  }
});

test("long lists are cut", () => {
  assert.equal(
    listed(Array.from({ length: 12 }, (_, n) => `p${n}`)),
    "p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 2 more",
  );
});
