import assert from "node:assert/strict";
import { test } from "node:test";
import { ratios, spread, toJson, toText } from "./figures.ts";

test("the spread of an even number of values has a median between the middle two", () => {
  assert.deepEqual(spread([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  assert.deepEqual(spread([5]), { min: 5, median: 5, max: 5 });
  assert.throws(() => spread([]), RangeError);
});

test("ratios go run by run, or to the median where the numbers of runs differ", () => {
  assert.deepEqual(ratios([2, 9], [1, 3]), [2, 3]);
  assert.deepEqual(ratios([2, 9, 4], [1, 3]), [1, 4.5, 2]);
});

test("text and JSON tell median, spread and ratio", () => {
  const figure = {
    name: "pull.docker.first",
    unit: "s",
    values: [2, 4, 6],
    yardstick: { name: "pull.docker.limit", values: [1, 1, 2] },
  };
  assert.match(
    toText(figure),
    /^pull\.docker\.first +4 s +\(2 to 6, 3 runs\) +3 × pull\.docker\.limit \(2 to 4, 3 runs\)$/,
  );
  assert.deepEqual(JSON.parse(toJson(figure)), {
    name: "pull.docker.first",
    value: 4,
    unit: "s",
    min: 2,
    max: 6,
    runs: 3,
    ratio: { to: "pull.docker.limit", min: 2, median: 3, max: 4 },
  });
});
