import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BASE_PACKAGES,
  canonicalName,
  hasAlias,
  InvalidName,
  MAX_ALIAS_PACKAGES,
  MAX_COMPONENTS,
  MAX_NAME_LENGTH,
  parseImageName,
  parseList,
  SHELL_PACKAGES,
  splitImageName,
} from "../../../edge/contract/names.ts";

const valid: [name: string, expected: { pinned?: string; requested: string[]; shell?: boolean }][] =
  [
    ["git", { requested: ["git"] }],
    ["shell", { requested: [], shell: true }],
    ["shell/git/curl", { requested: ["curl", "git"], shell: true }],
    ["git/curl/shell", { requested: ["curl", "git"], shell: true }],
    ["git/curl/git/git", { requested: ["curl", "git"] }],
    ["arm64/hello", { requested: ["hello"], pinned: "aarch64-linux" }],
    ["hello/arm64", { requested: ["hello"], pinned: "aarch64-linux" }],
    ["amd64/hello", { requested: ["hello"], pinned: "x86_64-linux" }],
    ["shell/arm64", { requested: [], shell: true, pinned: "aarch64-linux" }],
    ["arm64/shell/arm64/shell/git", { requested: ["git"], shell: true, pinned: "aarch64-linux" }],
    ["7zz", { requested: ["7zz"] }],
    ["xorg.xev/imagemagick", { requested: ["imagemagick", "xorg.xev"] }],
    ["python3.11/a_b/c__d/e---f", { requested: ["a_b", "c__d", "e---f", "python3.11"] }],
    ["iana-etc", { requested: ["iana-etc"] }],
    ["shell/bashinteractive", { requested: ["bashinteractive"], shell: true }],
  ];

for (const [name, { pinned, requested, shell = false }] of valid) {
  const parts = [...(shell ? ["shell"] : []), ...requested].join(", ");
  test(`${name} is an image of ${parts} for ${pinned ?? "every platform"}`, () => {
    const request = parseImageName(name);
    const names = [
      ...new Set([...requested, ...BASE_PACKAGES, ...(shell ? SHELL_PACKAGES : [])]),
    ].sort();
    assert.deepEqual(request, { name, pinned, names, requested, shell });
  });
}

const invalid: [name: string, message: RegExp][] = [
  ["", /component 1 .* is empty/],
  ["git//curl", /component 2 .* is empty/],
  ["git/", /component 2 .* is empty/],
  ["Git", /"Git" .* has capitals: write "git"/],
  ["shell/bashInteractive", /"bashInteractive" .* write "bashinteractive"/],
  ["git/-x", /"-x" .* is not valid: lower-case letters/],
  ["git/x-", /"x-"/],
  ["git/x..y", /"x..y"/],
  ["git/x___y", /"x___y"/],
  ["git/..", /"\.\."/],
  ["git/a b", /"a b"/],
  ["git/a\n", /is not valid/],
  ["git/é", /"é"/],
  ["git/a~1", /"a~1"/],
  ["arm64", /contains no package, only arm64/],
  ["amd64/amd64", /contains no package, only amd64/],
  ["arm64/git/amd64", /both amd64 and arm64/],
  [
    Array.from({ length: MAX_COMPONENTS + 1 }, () => "a").join("/"),
    /65 components; the most is 64/,
  ],
  ["a".repeat(MAX_NAME_LENGTH + 1), /256 characters; the most is 255/],
  [`git/${"a".repeat(MAX_NAME_LENGTH - 3)}`, /256 characters; the most is 255/],
  [`x/${"0".repeat(40)}`, /alias x\/0{40} cannot be used here/],
];

for (const [name, message] of invalid) {
  test(`${JSON.stringify(name.slice(0, 40))} is refused`, () => {
    assert.throws(
      () => parseImageName(name),
      (error) => error instanceof InvalidName && message.test(error.message),
    );
  });
}

test("the caps themselves are allowed", () => {
  assert.equal(
    parseImageName(
      Array.from({ length: MAX_COMPONENTS }, (_, n) => `p${n}`)
        .join("/")
        .slice(0, MAX_NAME_LENGTH),
    ).requested.length,
    MAX_COMPONENTS,
  );
  assert.equal(parseImageName("a".repeat(MAX_NAME_LENGTH)).requested.length, 1);
});

test("a list may say each package twice, and no more entries than that", () => {
  const twice = Array.from({ length: 2 * MAX_ALIAS_PACKAGES }, (_, n) => `p${n >> 1}`);
  assert.equal(parseList(twice).requested.length, MAX_ALIAS_PACKAGES);
  for (const list of [[...twice, "p0"], [`${twice.join("/")}/p0`]])
    assert.throws(
      () => parseList(list),
      (error) =>
        error instanceof InvalidName && /225 packages; the most is 112/.test(error.message),
    );
});

test("a component of a list is no longer than a name may be", () => {
  assert.throws(
    () => parseList(["git", "a".repeat(MAX_NAME_LENGTH + 1)]),
    (error) =>
      error instanceof InvalidName &&
      /component 2 of the list has 256 characters; the most is 255/.test(error.message),
  );
  assert.throws(() => parseList([]), /the list contains no package/);
});

const KEY = "0123456789".repeat(4);
const OTHER = "f".repeat(40);

test("an alias is x and 40 hexadecimal digits; without either, both are packages", () => {
  const parts = splitImageName(`git/x/${KEY}/arm64/x/${OTHER}`);
  assert.deepEqual(parts, { aliases: [KEY, OTHER], components: ["git", "arm64"] });
  assert.ok(hasAlias(`x/${KEY}`));
  for (const name of [`x/${KEY.slice(1)}`, `x/y/${KEY}`, `${KEY}/x`, KEY, "x"]) {
    assert.deepEqual(splitImageName(name), { aliases: [], components: name.split("/") });
    assert.ok(!hasAlias(name), name);
  }
});

test("an image has the packages of its aliases, and shell if one of them has it", () => {
  const aliases = new Map([
    [KEY, { packages: ["jq", "git"], shell: false }],
    [OTHER, { packages: ["tree"], shell: true }],
  ]);
  const one = parseImageName(`arm64/git/curl/x/${KEY}`, aliases);
  assert.deepEqual(
    [one.requested, one.shell, one.pinned],
    [["curl", "git", "jq"], false, "aarch64-linux"],
  );
  const both = parseImageName(`x/${KEY}/x/${OTHER}`, aliases);
  assert.deepEqual([both.requested, both.shell], [["git", "jq", "tree"], true]);
});

test("aliases together have no more packages than one image", () => {
  const packages = Array.from({ length: MAX_ALIAS_PACKAGES }, (_, n) => `p${n}`);
  const aliases = new Map([[KEY, { packages, shell: false }]]);
  assert.equal(parseImageName(`p0/x/${KEY}`, aliases).requested.length, MAX_ALIAS_PACKAGES);
  assert.throws(() => parseImageName(`git/x/${KEY}`, aliases), /113 packages; the most is 112/);
});

test("one image has one canonical name", () => {
  for (const [names, canonical] of [
    [["git/shell/curl", "curl/shell/git", "shell/curl/git/cacert/nano"], "shell/curl/git"],
    [["curl/git", "git/iana-etc/curl"], "curl/git"],
    [["shell"], "shell"],
    [["cacert"], "cacert/iana-etc"],
  ] as const) {
    for (const name of names) {
      const request = parseImageName(name);
      assert.equal(canonicalName(request.names, request.shell), canonical);
    }
  }
});
