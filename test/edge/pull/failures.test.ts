/** Failures as the status, code and message that a client gets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Failure } from "../../../edge/contract/items.ts";
import type { System } from "../../../edge/contract/records.ts";
import { type Failed, notDone, packagesFailed, tagFailed } from "../../../edge/pull/failures.ts";
import {
  builtForThisPull,
  listed,
  packagesForPeople,
} from "../../../edge/pull/packages-in-words.ts";

const failed = (name: string, reason: Failure["reason"], more: Partial<Failure> = {}): Failed => ({
  name,
  failure: { reason, message: `why ${name}`, ...more },
});
const asked = { requested: ["a", "b", "c", "gti"], shell: false };
const logs = {
  blob: (digest: string): string => `http://firn.example/v2/x/blobs/${digest}`,
  build: "http://firn.example/builds/0",
};

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
  [
    "a revision that is no revision, before other troubles",
    [failed("a", "error"), failed("b", "unknown-revision")],
    404,
    "MANIFEST_UNKNOWN",
    /^why b$/,
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
    "a package that no layer can hold",
    [failed("a", "unfit")],
    500,
    "UNKNOWN",
    /^package a was built but cannot be packed into layers: why a$/,
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
    /^no origin could build package a at the moment: why a$/,
  ],
  ["nothing at all", [], 500, "UNKNOWN", /without a result/],
];
for (const [what, failures, status, code, message] of table) {
  test(`${what}: ${status}`, () => {
    const error = packagesFailed(failures, asked, logs);
    assert.equal(error.status, status);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.equal((error.detail as { failures: unknown[] }).failures.length, failures.length);
    if (status === 503) assert.match(error.headers["Retry-After"] ?? "", /^\d+$/);
  });
}

const general = "nixpkgs has no commit 0000";
const same = (names: readonly string[], failure: Partial<Failure> = {}): Failed[] =>
  names.map((name) => failed(name, "unknown", { message: general, ...failure }));
const everything = ["cacert", "iana-etc", "bashinteractive", "a", "b"];

test("one cause of every package is told once, without names", () => {
  const error = packagesFailed(same(everything), asked, logs);
  assert.deepEqual([error.status, error.message], [404, general]);
  assert.deepEqual(
    (error.detail as { failures: { package: string }[] }).failures.map((each) => each.package),
    ["a", "b"],
  );
});

const lacking = (name: string): Failed =>
  failed(name, "unknown", { message: `there is no package ${name}` });

test("what the package set lacks for every image, or for shell, is told with the reason", () => {
  const bare = packagesFailed(["cacert", "iana-etc"].map(lacking), asked, logs);
  const every = "this registry's package set lacks cacert, iana-etc, which every image contains";
  assert.equal(bare.message, every);
  const shell = packagesFailed(
    ["bashinteractive", "cacert", "gti", "iana-etc", "nano"].map(lacking),
    { ...asked, shell: true },
    logs,
  );
  assert.equal(
    shell.message,
    `there is no package gti; ${every}; ` +
      "this registry's package set lacks bashinteractive, nano, which shell stands for",
  );
});

test("one cause of several packages is told once, with their names", () => {
  const error = packagesFailed(
    [...same(["b", "a"], { message: "a set, not a package" }), failed("c", "unknown")],
    asked,
    logs,
  );
  assert.equal(error.message, "b, a: a set, not a package; why c");
});

for (const reason of ["refused", "failed", "timeout", "error"] as const) {
  test(`a package that the name does not mention is not named: ${reason}`, () => {
    const failure = { message: "exit 1" };
    const unmentioned = failed("cacert", reason, failure);
    const alone = packagesFailed([unmentioned], asked, logs);
    assert.match(alone.message, /the packages of every image/);
    assert.doesNotMatch(alone.message, /cacert/);
    const both = packagesFailed([unmentioned, failed("b", reason, failure)], asked, logs);
    assert.match(both.message, /package b/);
    assert.doesNotMatch(JSON.stringify([both.message, both.detail]), /cacert/);
    const shell = packagesFailed(
      [failed("nano", reason, failure)],
      { requested: [], shell: true },
      logs,
    );
    assert.match(shell.message, /shell/);
    assert.doesNotMatch(shell.message, /nano/);
  });
}

test("packages in the words of the image's name", () => {
  const names = ["cacert", "git", "nano"];
  for (const [requested, shell, words] of [
    [["git"], false, "git"],
    [["git"], true, "git"],
    [["git", "nano"], false, "git, nano"],
    [[], true, "shell"],
    [["jq"], false, "the packages of every image"],
  ] as const)
    assert.equal(packagesForPeople(names, { requested, shell }), words);
});

test("an unknown tag is 404 and says what tags mean; other failures of a tag are worth another try", () => {
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

test("what is not done yet is 503 with its reason and Retry-After", () => {
  const unfinished = { doing: "building git", system: "aarch64-linux", held: 600_000 } as const;
  for (const [answer, message] of [
    [{ state: "no-origin" }, /no origin for aarch64-linux/],
    [{ state: "queue-full", yours: false, limit: 9 }, /build queue is full \(9 items\)/],
    [
      { state: "queue-full", yours: true, limit: 5 },
      /one client may have 5 items in the build queue/,
    ],
    [{ state: "building" }, /not finished after 600 seconds/],
  ] as const) {
    const error = notDone(answer, unfinished);
    assert.deepEqual([error.status, error.code], [503, "UNAVAILABLE"]);
    assert.match(error.message, message);
    assert.match(error.message, /building git/);
    assert.match(error.headers["Retry-After"] ?? "", /^\d+$/);
  }
});

test("a long list of names ends in a number", () => {
  assert.equal(
    listed(Array.from({ length: 12 }, (_, n) => `p${n}`)),
    "p0, p1, p2, p3, p4, p5, p6, p7, p8, p9 and 2 more",
  );
});

const told = (names: readonly string[], shell = false, system?: System): string =>
  builtForThisPull(names, { requested: ["a", "b"], shell }, { log: logs.build, system });

test("packages built for a pull are named as its name does", () => {
  assert.equal(told(["a"]), "a was built for this pull; its log: http://firn.example/builds/0");
  assert.match(told(["b", "a", "cacert"]), /^b, a were built for this pull; their log: http/);
  assert.match(told(["bash", "coreutils"], true), /^shell was built for this pull/);
  assert.match(told(["cacert"]), /^the packages of every image were built/);
  assert.match(told(["a"], false, "aarch64-linux"), /^a was built for linux\/arm64 for this pull/);
});

test("a failed build is answered with the address of its log, as long as one was begun", () => {
  const detail = (build?: string): unknown =>
    packagesFailed([failed("a", "failed")], asked, {
      blob: logs.blob,
      ...(build === undefined ? {} : { build }),
    }).detail;
  assert.equal((detail(logs.build) as { log?: string }).log, logs.build);
  assert.equal("log" in (detail() as object), false);
});
