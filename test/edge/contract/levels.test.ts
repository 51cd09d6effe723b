import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Budget,
  chooseLevels,
  imageParts,
  type Levelled,
} from "../../../edge/contract/levels.ts";
import { MAX_LAYERS } from "../../../edge/contract/records.ts";

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

const upTo = (layers: number): Budget => ({ layers, smallBytes: 1_000 });

/** A package of a large and a small part, or of one. */
const withSmall = (name: string): Levelled => ({
  name,
  parts: [
    { key: `${name} large`, rank: 1 },
    { key: `${name} small`, rank: 1, small: 600 },
    { key: `${name} all`, rank: 1 },
  ],
  levels: [[0, 1], [2]],
});

/** One level of parts, those after m small. */
const mixed = (...keys: string[]): Levelled => ({
  name: keys.join(""),
  parts: keys.map((key) => ({ key, rank: 1, ...(key > "m" ? { small: 9 } : {}) })),
  levels: [keys.map((_, index) => index)],
});

describe("chooseLevels", () => {
  const git = record("git", "abcd", "abr", "s");
  const curl = record("curl", "abe", "at");

  it("takes the finest levels when they fit", () =>
    assert.deepEqual(chooseLevels([git, curl], upTo(5)), [0, 0]));
  it("takes one level for all packages, the finest that fits", () => {
    assert.deepEqual(chooseLevels([git, curl], upTo(4)), [1, 1]);
    assert.deepEqual(chooseLevels([git, curl], upTo(3)), [2, 1]);
  });
  it("leaves a package without coarser levels at its coarsest", () =>
    assert.deepEqual(chooseLevels([record("a", "a"), record("b", "bc", "d")], upTo(2)), [0, 1]));
  it("says null when nothing fits", () => assert.equal(chooseLevels([git, curl], upTo(2)), null));
  it("passes over levels of too many parts, which records leave empty", () => {
    assert.deepEqual(chooseLevels([record("a", "", "ab", "c")], upTo(2)), [1]);
    assert.equal(chooseLevels([record("a", "", "")], upTo(2)), null);
  });
  it("does not count small parts, but takes a coarser level where they are too many bytes", () => {
    const records = [withSmall("a"), withSmall("b")];
    assert.deepEqual(chooseLevels(records, { layers: 2, smallBytes: 1_200 }), [0, 0]);
    assert.deepEqual(chooseLevels(records, { layers: 2, smallBytes: 1_199 }), [1, 1]);
    assert.equal(chooseLevels(records, { layers: 1, smallBytes: 1_200 }), null);
  });
  it("has nothing to choose for no records", () => assert.deepEqual(chooseLevels([], upTo(5)), []));
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

/** A package of so many layers, or of one. */
const ofLayers = (count: number): Levelled => ({
  name: "wide",
  parts: Array.from({ length: count }, (_, part) => ({ key: `p${part}`, rank: 1 })),
  levels: [Array.from({ length: count }, (_, part) => part), [0]],
});

describe("chooseLevels, at the limits", () => {
  it("leaves one of an image's layers to the profile layer", () => {
    assert.deepEqual(chooseLevels([ofLayers(MAX_LAYERS - 1)]), [0]);
    assert.deepEqual(chooseLevels([ofLayers(MAX_LAYERS)]), [1]);
  });
  it("answers for the largest image that can be asked for", () => {
    const records = Array.from({ length: 70 }, (_, number) => widest(`p${number}`));
    assert.deepEqual(
      chooseLevels(records),
      records.map(() => 30),
    );
    assert.equal(
      imageParts(
        records,
        records.map(() => 30),
      ).layers.length,
      70,
    );
  });
});

/** A package of the part that all share, at this rank. */
const ranked = (rank: number): Levelled => ({
  name: `at ${rank}`,
  parts: [{ key: "shared", rank }],
  levels: [[0]],
});

describe("imageParts", () => {
  it("is the union, highest rank first", () => {
    const order = imageParts([record("git", "dba"), record("curl", "ae")], [0, 0]).layers;
    assert.deepEqual(
      order.map((part) => part.key),
      ["a", "b", "d", "e"],
    );
  });
  it("takes the highest of a part's ranks, whatever the order of the records", () => {
    for (const records of [
      [ranked(3), ranked(9)],
      [ranked(9), ranked(3)],
    ])
      assert.deepEqual(imageParts(records, [0, 0]).layers, [{ key: "shared", rank: 9 }]);
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
        imageParts(records, [0, 0]).layers.map((part) => part.key),
        ["a", "b", "c"],
      );
  });
  it("keeps small parts apart, each once, by key", () => {
    const { layers, small } = imageParts([mixed("z", "a", "x"), mixed("x", "b")], [0, 0]);
    assert.deepEqual(
      [layers, small].map((parts) => parts.map(({ key }) => key).join("")),
      ["ab", "xz"],
    );
  });
});
