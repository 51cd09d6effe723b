import assert from "node:assert/strict";
import { test } from "node:test";
import { distance, nearest } from "../../../edge/contract/nearest.ts";

const NAMES = [
  "git",
  "gti2",
  "_7zz",
  "ImageMagick",
  "python3",
  "python39",
  "nodejs",
  "curl",
  "curlie",
  "AAAAAA",
  "foo bar",
  "foo-",
];

test("a misspelled, swapped, differently cased or incomplete name finds existing names", () => {
  assert.deepEqual(nearest(NAMES, [], "gti"), ["git", "gti2"]);
  assert.deepEqual(nearest(NAMES, [], "imagmagick"), ["imagemagick"]);
  assert.deepEqual(nearest(NAMES, [], "python"), ["python3", "python39"]);
  assert.deepEqual(nearest(NAMES, [], "node"), ["nodejs"]);
  assert.deepEqual(nearest(NAMES, [], "7z"), ["7zz"]);
  assert.deepEqual(nearest(NAMES, [], "curll"), ["curl", "curlie"].slice(0, 1));
  assert.deepEqual(nearest(NAMES, [], "zzzzzzzz"), []);
});

test("names in a nested set are given in full, as in an image name", () => {
  assert.deepEqual(nearest(["requests", "Flask"], ["python3Packages"], "flaks"), [
    "python3packages.flask",
  ]);
});

test("a name that cannot be in an image name is not suggested", () => {
  assert.deepEqual(nearest(NAMES, [], "foo"), []);
});

test("equally near names are in alphabetical order, and there are at most five", () => {
  const names = Array.from(
    { length: 20 },
    (_, index) => `abc${String.fromCodePoint(97 + index)}`,
  ).toReversed();
  assert.deepEqual(nearest(names, [], "abc1"), ["abca", "abcb", "abcc", "abcd", "abce"]);
});

test("distance counts inserted, deleted, replaced and swapped letters, up to a limit", () => {
  assert.equal(distance("git", "git", 1), 0);
  assert.equal(distance("gti", "git", 1), 1);
  assert.equal(distance("kitten", "sitting", 3), 3);
  assert.equal(distance("kitten", "sitting", 2), Infinity);
  assert.equal(distance("", "abc", 3), 3);
});

test("a list of 20,000 names is searched", () => {
  const names = Array.from({ length: 20_000 }, (_, index) => `package-${index}`);
  assert.equal(nearest(names, [], "pakcage-123")[0], "package-123");
});
