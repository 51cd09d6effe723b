import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseLevels, type Levelled, orderParts } from "../../../edge/image/levels.ts";

/** A record from its levels, each a string of one-letter part names; a part's rank is its distance from z. */
function record(name: string, ...levels: string[]): Levelled {
  const names = [...new Set(levels.join(""))];
  return {
    name,
    parts: names.map((key) => ({ key, rank: 122 - key.charCodeAt(0) })),
    levels: levels.map((level) => [...level].map((key) => names.indexOf(key))),
  };
}

describe("chooseLevels", () => {
  const git = record("git", "abcd", "abr", "s");
  const curl = record("curl", "abe", "at");

  it("takes the finest levels when they fit", () => assert.deepEqual(chooseLevels([git, curl], 5), [0, 0]));
  it("coarsens the package with the most layers first", () => assert.deepEqual(chooseLevels([git, curl], 4), [1, 0]));
  it("goes on until it fits", () => {
    assert.deepEqual(chooseLevels([git, curl], 3), [2, 1]);
  });
  it("says null when nothing fits", () => assert.equal(chooseLevels([git, curl], 2), null));
  it("coarsens the later one of equals", () => {
    assert.deepEqual(chooseLevels([record("a", "ab", "c"), record("d", "de", "f")], 3), [0, 1]);
  });
  it("passes over levels of too many parts, which records leave empty", () => {
    assert.deepEqual(chooseLevels([record("a", "", "ab", "c")], 2), [1]);
    assert.equal(chooseLevels([record("a", "", "")], 2), null);
  });
  it("passes over levels that nobody made", () => {
    assert.deepEqual(chooseLevels([git, curl], 5, (r, level) => r !== git || level !== 0), [1, 0]);
    assert.deepEqual(chooseLevels([git, curl], 4, (r, level) => r !== git || level !== 1), [2, 0]);
    assert.equal(chooseLevels([git, curl], 5, () => false), null);
  });
  it("has nothing to choose for no records", () => assert.deepEqual(chooseLevels([], 5), []));
});

describe("orderParts", () => {
  it("is the union, highest rank first", () => {
    const order = orderParts([record("git", "dba"), record("curl", "ae")], [0, 0]);
    assert.deepEqual(order.map((part) => part.key), ["a", "b", "d", "e"]);
  });
  it("breaks ties by key, whatever the order of the records", () => {
    const one: Levelled = { name: "one", parts: [{ key: "b", rank: 1 }, { key: "a", rank: 1 }], levels: [[0, 1]] };
    const two: Levelled = { name: "two", parts: [{ key: "c", rank: 1 }], levels: [[0]] };
    for (const records of [[one, two], [two, one]]) assert.deepEqual(orderParts(records, [0, 0]).map((part) => part.key), ["a", "b", "c"]);
  });
});
