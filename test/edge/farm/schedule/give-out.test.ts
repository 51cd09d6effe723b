/** Nothing is given twice, and nothing that waits is lost from sight. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Entry } from "../../../../edge/farm/schedule/state.ts";
import { done, entry, farm, origin, packageItem, request, short, tagItem, want } from "./farm.ts";

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);
const only = ([first]: readonly Entry[]): Entry => {
  if (first === undefined) throw new Error("no entry");
  return first;
};

describe("an item that stands in the queues of two clients", () => {
  test("is given once while it is being made", () => {
    const git = only(request("x", ["git"]));
    const schedule = farm([origin("a"), origin("b")], [git]);
    schedule.backlog.want(git, want("y"));
    assert.match(short(schedule.dispatch(0)), /^git→[ab]$/);
    for (const each of request("y", ["curl"])) schedule.backlog.add(each);
    assert.match(short(schedule.dispatch(1)), /^curl→[ab]$/);
    assert.equal(git.attempts, 1);
  });

  test("and came back once already is given once", () => {
    const git = only(request("x", ["git"]));
    const schedule = farm([origin("a"), origin("b")], [git]);
    schedule.backlog.want(git, want("y"));
    const [job] = schedule.dispatch(0);
    if (job === undefined) throw new Error("no job");
    schedule.putBack(job, [git], { reason: "trouble", attempted: true }, 1);
    schedule.release(job);
    assert.equal(short(schedule.dispatch(2)).split(" ").length, 1);
    assert.equal(git.attempts, 2);
  });
});

test("the same client comes to wait for what it wanted in the background: it goes first", () => {
  const [warm, other] = request("x", ["warm", "other"], "background");
  const schedule = farm([origin("a")], request("z", ["first"]));
  schedule.dispatch(0);
  for (const each of [other, warm]) if (each) schedule.backlog.add(each);
  if (warm) schedule.backlog.want(warm, want("x"));
  done(schedule, "first");
  assert.equal(short(schedule.dispatch(1)), "warm→a");
});

/** An item that is wanted until 90. */
const left = (more: Partial<Entry> = {}): Entry =>
  entry(packageItem("left"), "x", { wants: new Map([["k", want("x", { until: 90 })]]), ...more });

describe("what nobody wants any more is not given", () => {
  for (const [what, more] of [
    ["never begun", {}],
    ["begun before", { attempts: 1, tried: new Set(["b"]) }],
  ] as const)
    test(what, () => {
      const schedule = farm([origin("a")], [left(more)]);
      assert.equal(short(schedule.dispatch(90)), "");
      assert.equal(schedule.backlog.entries.size, 0);
    });
});

describe("what no free origin may do", () => {
  test("is given as soon as one that may is free", () => {
    const picky = origin("picky", { tags: ["main"] });
    const any = origin("any");
    const schedule = farm(
      [picky, any],
      ["one", "two"].map((tag) => entry(tagItem(tag))),
    );
    assert.equal(short(schedule.dispatch(0)), "one→any two→any");
    schedule.backlog.add(entry(tagItem("three")));
    assert.equal(short(schedule.dispatch(1)), "", "picky alone is free");
    done(schedule, "one");
    assert.equal(short(schedule.dispatch(2)), "three→any");
  });

  test("does not keep an origin from what it may do, however much of it there is", () => {
    const schedule = farm([origin("a"), origin("b", { held: { tags: 0, packages: 1 } })]);
    for (const name of numbered("lacking", 100))
      schedule.backlog.add(entry(packageItem(name), "x", { lacking: new Set(["a"]) }));
    schedule.backlog.add(entry(packageItem("may"), "x", { attempts: 1, tried: new Set(["b"]) }));
    const rounds = [0, 1, 2].map((now) => short(schedule.dispatch(now)));
    assert.ok(rounds.includes("may→a"), rounds.join(", "));
  });
});

test("what comes back of a long request is given in jobs of no more than 16", () => {
  const names = numbered("p", 20);
  const back = names.map((name) =>
    entry(packageItem(name), "x", { request: "one", attempts: 1, tried: new Set(["b"]) }),
  );
  const schedule = farm([origin("a", { slots: 2 })], back);
  assert.deepEqual(
    schedule.dispatch(0).map(({ keys }) => keys.length),
    [16],
  );
  assert.equal(schedule.backlog.queued, 4);
});
