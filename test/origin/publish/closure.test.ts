/** What a record says of a package's C library. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { hasUtf8 } from "../../../origin/publish/closure.ts";

const TABLE: readonly [string, readonly string[], boolean | undefined][] = [
  ["no C library", ["cacert-3.101", "source"], undefined],
  ["glibc of nixpkgs", ["glibc-2.40-66", "hello-2.12"], true],
  ["the first that has it", ["glibc-2.35"], true],
  ["the last that has not", ["glibc-2.34-210"], false],
  ["the starter set's", ["glibc-2.36"], true],
  ["musl", ["musl-1.2.5"], true],
  ["two of which one is old", ["glibc-2.40", "glibc-2.27"], false],
  ["what belongs to glibc", ["glibc-locales-2.27", "glibc-iconv-2.27"], undefined],
  ["a glibc of the future", ["glibc-3.0"], true],
];
for (const [what, names, expected] of TABLE)
  test(`C.UTF-8: ${what}`, () => {
    assert.equal(hasUtf8(names.map((name) => `/nix/store/${"0".repeat(32)}-${name}`)), expected);
  });
