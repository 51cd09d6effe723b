import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { chooseLevels, type Levelled, orderParts } from "../../../edge/contract/levels.ts";

/**
 * A record from its levels, each a string of one-letter part names; a part's rank is its distance
 * from z.
 */
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

  it("takes the finest levels when they fit", () =>
    assert.deepEqual(chooseLevels([git, curl], 5), [0, 0]));
  it("takes one level for all packages, the finest that fits", () => {
    assert.deepEqual(chooseLevels([git, curl], 4), [1, 1]);
    assert.deepEqual(chooseLevels([git, curl], 3), [2, 1]);
  });
  it("leaves a package without coarser levels at its coarsest", () =>
    assert.deepEqual(chooseLevels([record("a", "a"), record("b", "bc", "d")], 2), [0, 1]));
  it("says null when nothing fits", () => assert.equal(chooseLevels([git, curl], 2), null));
  it("passes over levels of too many parts, which records leave empty", () => {
    assert.deepEqual(chooseLevels([record("a", "", "ab", "c")], 2), [1]);
    assert.equal(chooseLevels([record("a", "", "")], 2), null);
  });
  it("passes over levels that nobody made", () => {
    assert.deepEqual(
      chooseLevels([git, curl], 5, (r, level) => r !== git || level !== 0),
      [1, 0],
    );
    assert.deepEqual(
      chooseLevels([git, curl], 4, (r, level) => r !== git || level !== 1),
      [2, 1],
    );
    assert.deepEqual(
      chooseLevels([git, curl], 5, (r, level) => r !== curl || level !== 1),
      [0, 0],
    );
    assert.deepEqual(
      chooseLevels([git, curl], 4, (r, level) => r !== curl || level !== 1),
      [1, 0],
    );
    assert.equal(
      chooseLevels([git, curl], 5, () => false),
      null,
    );
  });
  it("has nothing to choose for no records", () => assert.deepEqual(chooseLevels([], 5), []));
});

/** As many parts as a record of the most levels may have, none shared with another package. */
function widest(name: string): Levelled {
  const parts = Array.from({ length: 1_900 }, (_, part) => ({ key: `${name}${part}`, rank: part }));
  return {
    name,
    parts,
    levels: Array.from({ length: 31 }, (_, level) =>
      level === 30 ? [0] : Array.from({ length: 119 }, (_, part) => (level * 60 + part) % 1_900),
    ),
  };
}

describe("chooseLevels, at the limits", () => {
  it("answers for the largest image that can be asked for", () => {
    const records = Array.from({ length: 70 }, (_, number) => widest(`p${number}`));
    assert.deepEqual(
      chooseLevels(records),
      records.map(() => 30),
    );
    assert.equal(
      orderParts(
        records,
        records.map(() => 30),
      ).length,
      70,
    );
  });
});

describe("orderParts", () => {
  it("is the union, highest rank first", () => {
    const order = orderParts([record("git", "dba"), record("curl", "ae")], [0, 0]);
    assert.deepEqual(
      order.map((part) => part.key),
      ["a", "b", "d", "e"],
    );
  });
  it("breaks ties by key, whatever the order of the records", () => {
    const one: Levelled = {
      name: "one",
      parts: [
        { key: "b", rank: 1 },
        { key: "a", rank: 1 },
      ],
      levels: [[0, 1]],
    };
    const two: Levelled = { name: "two", parts: [{ key: "c", rank: 1 }], levels: [[0]] };
    for (const records of [
      [one, two],
      [two, one],
    ])
      assert.deepEqual(
        orderParts(records, [0, 0]).map((part) => part.key),
        ["a", "b", "c"],
      );
  });
});
