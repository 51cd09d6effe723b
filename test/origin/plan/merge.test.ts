/** Joins of classes: one outcome, in whatever order the pairs are offered. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Classes, mergeClasses, type Pair } from "../../../origin/plan/merge.ts";

/** Numbers below `limit`, the same for each seed (a linear congruential generator). */
function drawn(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return Math.floor((state / 2 ** 31) * limit);
  };
}

/** Classes of one size and packages as wanted as each other: many joins have one price. */
function alike(seed: number): Classes {
  const draw = drawn(seed);
  const packages = 3 + draw(10);
  const count = 4 + draw(8);
  const pairs: Pair[] = [];
  for (let a = 0; a < count; a += 1) for (let b = a + 1; b < count; b += 1) pairs.push([a, b]);
  return {
    sizes: Array.from({ length: count }, () => 3_000_000),
    users: Array.from({ length: count }, () => {
      const own = Array.from({ length: packages }, (_, user) => user).filter(() => draw(4) > 0);
      return Int32Array.from(own.length > 0 ? own : [0]);
    }),
    loads: Float64Array.from({ length: packages }, () => 0.05),
    pairs,
  };
}

test("joins of one price are made in the order of the classes, whatever the order of the pairs", () => {
  for (let seed = 1; seed <= 200; seed += 1) {
    const classes = alike(seed);
    const backwards = { ...classes, pairs: classes.pairs.toReversed() };
    assert.deepEqual(mergeClasses(backwards), mergeClasses(classes), `seed ${seed}`);
  }
});

/** How many different cuts the packages have of each group. */
function cutsOf({ users }: Classes, groupOf: Int32Array): number[] {
  const held = new Map<number, Map<number, number[]>>();
  for (const [number, own] of users.entries())
    for (const user of own) {
      const cuts = held.get(groupOf[number]!) ?? new Map<number, number[]>();
      held.set(groupOf[number]!, cuts.set(user, [...(cuts.get(user) ?? []), number]));
    }
  return Array.from(held.values(), (cuts) => new Set(Array.from(cuts.values(), String)).size);
}

test("no group has more than 32 cuts, whatever joining would save", () => {
  const count = 100;
  const pairs: Pair[] = [];
  for (let a = 0; a < count; a += 1) for (let b = a + 1; b < count; b += 1) pairs.push([a, b]);
  // One package that is in every pull holds all classes, and each of the others one.
  const classes: Classes = {
    sizes: Array.from({ length: count }, () => 1),
    users: Array.from({ length: count }, (_, number) => Int32Array.of(0, number + 1)),
    loads: Float64Array.from({ length: count + 1 }, (_, user) => (user === 0 ? 1 : 0.001)),
    pairs,
  };
  const cuts = cutsOf(classes, mergeClasses(classes).groupOf);
  assert.ok(Math.max(...cuts) <= 32, `cuts of the groups: ${cuts.join(" ")}`);
  assert.ok(Math.max(...cuts) > 16, "and they are joined up to that");
});
