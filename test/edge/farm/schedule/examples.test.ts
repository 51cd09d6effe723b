/** The worked examples at the top of schedule.ts and place.ts, step by step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { place } from "../../../../edge/farm/schedule/place.ts";
import { sweep } from "../../../../edge/farm/schedule/sweep.ts";
import { done, entry, farm, jobOf, origin, packageItem, request, short, TIMES } from "./farm.ts";

test("schedule.ts: two origins, of which one is restarted and one falls silent", () => {
  const a = origin("a", { slots: 2 });
  const b = origin("b");
  const schedule = farm([a, b]);
  const dispatch = (now: number): string => {
    const jobs = schedule.dispatch(now);
    for (const job of jobs) job.accepted = true;
    return short(jobs);
  };
  const ask = (name: string, client: string): string => {
    schedule.backlog.add(entry(packageItem(name), client, { request: `${client}: ${name}` }));
    return dispatch(0);
  };
  assert.deepEqual(
    [ask("1", "x"), ask("2", "x"), ask("3", "y"), ask("4", "x")],
    ["1→b", "2→a", "3→a", ""],
  );

  b.seen = 10;
  Object.assign(a, { connected: false, seen: 40 });
  assert.equal(sweep(schedule, 40, TIMES).wakeAt, 50);
  assert.equal(dispatch(40), "");

  Object.assign(a, { connected: true, seen: 45 });
  const third = jobOf(schedule, "3");
  const change = { reason: "origin a came back without it", attempted: true };
  assert.deepEqual(schedule.putBack(third, schedule.open(third), change, 45), []);
  schedule.release(third);
  assert.equal(dispatch(45), "4→a");

  a.seen = 70;
  const { silent, lost } = sweep(schedule, 70, TIMES);
  assert.deepEqual([silent, lost.flatMap(({ job }) => job.keys)], [["b"], ["1"]]);
  assert.equal(dispatch(70), "");

  done(schedule, "2");
  assert.equal(dispatch(75), "3→a");
  done(schedule, "4");
  assert.equal(dispatch(80), "1→a");
  assert.equal(schedule.backlog.entries.get("1")?.attempts, 2);
});

test("place.ts: three packages, two origins that hold the revision", () => {
  const origins = [origin("a", { revisions: new Set() }), origin("b"), origin("c")];
  const jobs = place(request("x", ["nodejs", "rsync", "fish"]), origins, 0);
  assert.deepEqual(
    jobs.map((job) => [job.origin.name, job.entries.map(({ key }) => key)]),
    [
      ["b", ["nodejs", "fish"]],
      ["c", ["rsync"]],
    ],
  );
  // The homes that the example names: where each goes when all hold the revision, and then without
  // that one.
  const all = ["a", "b", "c"].map((name) => origin(name));
  const homes = (name: string): string => {
    const first = place(request("x", [name]), all, 0)[0]?.origin;
    const rest = all.filter((each) => each !== first);
    return [first?.name, place(request("x", [name]), rest, 0)[0]?.origin.name].sort().join();
  };
  assert.deepEqual(["nodejs", "rsync", "fish"].map(homes), ["a,b", "b,c", "a,b"]);
});
