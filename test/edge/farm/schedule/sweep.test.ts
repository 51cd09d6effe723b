/** What time brings: leases, silence, waiting too long. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { failed, isOutage, REST_AFTER, succeeded } from "../../../../edge/farm/schedule/health.ts";
import type { Job, OriginState } from "../../../../edge/farm/schedule/state.ts";
import { sweep } from "../../../../edge/farm/schedule/sweep.ts";
import { entry, farm, jobOf, origin, packageItem, request, short, TIMES } from "./farm.ts";

interface Row {
  readonly what: string;
  /** Changes of the origin a, which holds git since 0, and of the job. */
  readonly a?: Partial<OriginState>;
  readonly job?: Partial<Job>;
  readonly now: number;
  readonly attempts?: number;
  /** What is given to b afterwards, if there is one. */
  readonly b?: Partial<OriginState>;
  /** `←`: taken back, with the reason. */
  readonly says: string;
  readonly gives?: string;
}

const table: readonly Row[] = [
  { what: "accepted and heard of", now: 59, says: "" },
  { what: "silent", now: 60, says: "†a ← origin a fell silent, no-origin" },
  {
    what: "silent: another one",
    now: 60,
    b: { seen: 50 },
    says: "†a ← origin a fell silent",
    gives: "git→b",
  },
  { what: "not accepted yet", job: { accepted: false }, now: 4, says: "" },
  {
    what: "not accepted in time",
    job: { accepted: false },
    now: 5,
    says: "← origin a did not accept the job",
  },
  {
    what: "connection dropped: it keeps its job",
    a: { connected: false },
    now: 9,
    b: {},
    says: "",
  },
  {
    what: "connection dropped before it accepted: it keeps its job as long",
    a: { connected: false },
    job: { accepted: false },
    now: 9,
    b: {},
    says: "",
  },
  {
    what: "connection dropped too long",
    a: { connected: false },
    now: 10,
    b: { seen: 9 },
    says: "← the connection to origin a was lost",
    gives: "git→b",
  },
  {
    what: "took too long, and waited too long for more",
    a: { seen: 10_790 },
    now: 10_800,
    says: "← origin a took too long, give-up",
  },
  {
    what: "the third attempt",
    a: { connected: false },
    attempts: 2,
    b: { seen: 9 },
    now: 10,
    says: "← the connection to origin a was lost, give-up",
  },
];

describe("the lease", () => {
  for (const { what, a = {}, job = {}, now, attempts = 0, b, says, gives = "" } of table)
    test(what, () => {
      const holder = origin("a");
      const schedule = farm([holder], [entry(packageItem("git"), "x", { attempts })]);
      schedule.dispatch(0);
      Object.assign(holder, a);
      Object.assign(jobOf(schedule, "git"), { accepted: true }, job);
      if (b) schedule.enter(origin("b", b));
      const { silent, lost, verdicts } = sweep(schedule, now, TIMES);
      const said = [
        ...silent.map((name) => `†${name}`),
        ...lost.map(({ reason }) => `← ${reason}`),
      ].join(" ");
      assert.equal([said, ...verdicts.map(({ kind }) => kind)].filter(Boolean).join(", "), says);
      for (const { entry: each } of verdicts) schedule.end(each);
      assert.equal(short(schedule.dispatch(now)), gives);
    });
});

test("while its results are being stored a job stays with its origin, whatever the lease says", () => {
  const schedule = farm([origin("a")], request("x", ["git"]));
  const [job] = schedule.dispatch(0);
  if (!job) throw new Error("no job");
  schedule.enter(origin("b", { seen: 100 }));
  const isStored = (id: string): boolean => id === job.id;
  assert.deepEqual(sweep(schedule, 100, TIMES, isStored).lost, []);
  assert.deepEqual([job.lostAt, schedule.open(job).length], [null, 1]);
  assert.equal(short(schedule.dispatch(100)), "");
  assert.equal(sweep(schedule, 100, TIMES).lost.length, 1);
  assert.equal(short(schedule.dispatch(100)), "git→b");
});

/** When a farm of one origin, which is heard of for long, looks at a waiting item again. */
const looksAt = (more: Partial<OriginState>): number | null =>
  sweep(farm([origin("a", { seen: 99_000, ...more })], request("x", ["git"])), 0, {
    ...TIMES,
    lease: 1_000_000,
    queue: 1_000_000,
  }).wakeAt;

describe("when to look again", () => {
  test("nothing to do: never", () =>
    assert.equal(sweep(farm([origin("a")]), 0, TIMES).wakeAt, null));
  test("a job that is not accepted yet, then its lease", () => {
    const schedule = farm([origin("a")], request("x", ["git"]));
    schedule.dispatch(0);
    assert.equal(sweep(schedule, 0, TIMES).wakeAt, 5);
    jobOf(schedule, "git").accepted = true;
    assert.equal(sweep(schedule, 0, TIMES).wakeAt, 60);
  });
  test("one that is avoided: when it may", () => {
    const git = entry(packageItem("git"), "x", { attempts: 1, avoid: new Map([["a", 9]]) });
    const schedule = farm([origin("a")], [git]);
    schedule.dispatch(4);
    assert.equal(sweep(schedule, 4, TIMES).wakeAt, 9);
  });
  test("while it rests: when it has rested, and while it is busy: after a while", () => {
    assert.equal(looksAt({ restUntil: 40_000 }), 40_000);
    assert.equal(looksAt({ held: { tags: 0, packages: 1 } }), 60_000);
  });
  test("while it takes no jobs: when that is long enough to tell who waits", () =>
    assert.equal(looksAt({ accepting: false, pausedAt: 7 }), 7 + TIMES.paused));
  test("while the only origin may come back: when it has not", () => {
    const schedule = farm([origin("a", { connected: false, seen: 3 })], request("x", ["git"]));
    assert.equal(sweep(schedule, 4, TIMES).wakeAt, 13);
    assert.deepEqual(
      sweep(schedule, 13, TIMES).verdicts.map(({ kind }) => kind),
      ["no-origin"],
    );
  });
});

test("a late result may come, and an origin that comes back keeps what nobody else has", () => {
  const a = origin("a");
  const schedule = farm([a], request("x", ["git"]));
  const [job] = schedule.dispatch(0);
  if (!job) throw new Error("no job");
  Object.assign(a, { connected: false, seen: 0 });
  schedule.enter(origin("b", { connected: false, seen: 5 }));
  sweep(schedule, 10, TIMES);
  assert.equal(job.lostAt, 10);
  assert.deepEqual(a.held, { tags: 0, packages: 0 });
  Object.assign(a, { connected: true, seen: 11 });
  assert.equal(schedule.reclaim(job, 11), true);
  assert.deepEqual([job.lostAt, a.held.packages, schedule.open(job).length], [null, 1, 1]);
});

test("an item is to blame for a lost origin that had begun with it, and has not come back with it", () => {
  for (const accepted of [false, true]) {
    const a = origin("a");
    const [git] = request("x", ["git"]);
    const schedule = farm([a], git === undefined ? [] : [git]);
    const [job] = schedule.dispatch(0);
    if (!job || !git) throw new Error("no job");
    Object.assign(job, { accepted });
    Object.assign(a, { connected: false });
    schedule.enter(origin("b", { connected: false, seen: 5 }));
    sweep(schedule, 10, TIMES);
    assert.equal(job.lostAt, 10);
    assert.equal(git.losses, accepted ? 1 : 0);
    Object.assign(a, { connected: true, seen: 11 });
    assert.equal(schedule.reclaim(job, 11), true);
    assert.equal(git.losses, 0);
  }
});

/** Origins of one job each, all silent since 0. */
const lost = (names: readonly string[], more: Partial<Job> = {}) => {
  const origins = names.map((name) => origin(name));
  const entries = names.map((name) => entry(packageItem(`of-${name}`)));
  const schedule = farm(origins, entries);
  const jobs = schedule.dispatch(0);
  assert.equal(jobs.length, names.length);
  for (const job of jobs) Object.assign(job, { accepted: true, ...more });
  return { schedule, entries, origins };
};
const losses = (entries: readonly { readonly losses: number }[]): number[] =>
  entries.map((each) => each.losses);

describe("origins that are lost with a job", () => {
  test("two: their items are under suspicion, and they have failed a job", () => {
    const { schedule, entries, origins } = lost(["a", "b"]);
    sweep(schedule, 60, TIMES);
    assert.deepEqual(losses(entries), [1, 1]);
    assert.deepEqual(
      origins.map(({ failures }) => failures),
      [1, 1],
    );
  });
  test("three at once: no item is", () => {
    const { schedule, entries } = lost(["a", "b", "c"]);
    sweep(schedule, 60, TIMES);
    assert.deepEqual(losses(entries), [0, 0, 0]);
  });
  test("one, long after three others: that was not at once", () => {
    const { schedule, entries } = lost(["a"]);
    schedule.lostAt.push(-60_000, -60_000, -60_000);
    sweep(schedule, 60, TIMES);
    assert.deepEqual(losses(entries), [1]);
    assert.deepEqual(schedule.lostAt, [60]);
  });
  test("an origin that is there and has not accepted it is not lost", () => {
    const { schedule, entries, origins } = lost(["a"], { accepted: false });
    Object.assign(origins[0] ?? {}, { seen: 5 });
    sweep(schedule, 5, TIMES);
    assert.deepEqual(losses(entries), [0]);
  });
});

test("a lost job is forgotten in the end, and is looked for until then", () => {
  const schedule = farm([origin("a"), origin("b", { seen: 1_000_000 })], request("x", ["git"]));
  const [job] = schedule.dispatch(0);
  if (!job) throw new Error("no job");
  const holder = schedule.origins.get(job.origin);
  if (holder) Object.assign(holder, { connected: false, seen: 0 });
  const { wakeAt } = sweep(schedule, 10, TIMES);
  assert.equal(job.lostAt, 10);
  assert.ok(wakeAt !== null && wakeAt <= 10 + 10 * 60_000, `looks again at ${wakeAt}`);
  for (const each of schedule.backlog.entries.values()) schedule.end(each);
  assert.equal(sweep(schedule, 11, TIMES).wakeAt, 10 + 10 * 60_000);
  sweep(schedule, 10 + 10 * 60_000, TIMES);
  assert.equal(schedule.jobs.size, 0);
});

test("a job whose origin has left is taken back at once", () => {
  const schedule = farm([origin("a"), origin("b", { seen: 1 })], request("x", ["git"]));
  const [job] = schedule.dispatch(0);
  if (!job) throw new Error("no job");
  schedule.origins.delete(job.origin);
  assert.equal(sweep(schedule, 1, TIMES).lost.length, 1);
  assert.equal(schedule.dispatch(1).length, 1);
});

test("an origin that is gone already does not fall silent", () => {
  const schedule = farm([origin("a", { connected: false, seen: 0 })]);
  assert.deepEqual(sweep(schedule, 1_000, TIMES).silent, []);
});

describe("what waited too long, or came back, is looked at each for itself", () => {
  test("one that waited too long, behind one that did not", () => {
    const [young, old] = [packageItem("young"), packageItem("old")].map((item, at) =>
      entry(item, "x", { queuedAt: at === 0 ? 3_000 : 0 }),
    );
    const schedule = farm(
      [origin("a", { seen: 3_600, held: { tags: 0, packages: 1 } })],
      [young, old].flatMap((each) => each ?? []),
    );
    const { verdicts } = sweep(schedule, 3_600, TIMES);
    assert.deepEqual(
      verdicts.map(({ entry: { key } }) => key),
      ["old"],
    );
  });
  test("two that waited too long for a slot: both end", () => {
    const schedule = farm(
      [origin("a", { seen: 3_600, held: { tags: 0, packages: 1 } })],
      request("x", ["git", "curl"]),
    );
    const { verdicts } = sweep(schedule, 3_600, TIMES);
    assert.deepEqual(
      verdicts.map(({ kind }) => kind),
      ["give-up", "give-up"],
    );
  });
  test("one that nobody can do any more, behind one that somebody can", () => {
    const [git, curl] = request("x", ["git", "curl"]);
    curl?.lacking.add("a");
    const schedule = farm(
      [origin("a", { seen: 5 })],
      [git, curl].flatMap((each) => each ?? []),
    );
    const { verdicts } = sweep(schedule, 5, TIMES);
    assert.deepEqual(
      verdicts.map(({ entry: { key } }) => key),
      ["curl"],
    );
  });
});

test("what another origin has by then is not taken from it", () => {
  const a = origin("a");
  const schedule = farm([a], request("x", ["git"]));
  const [job] = schedule.dispatch(0);
  if (!job) throw new Error("no job");
  a.connected = false;
  schedule.enter(origin("b", { seen: 9 }));
  sweep(schedule, 10, TIMES);
  assert.equal(short(schedule.dispatch(10)), "git→b");
  a.connected = true;
  assert.equal(schedule.reclaim(job, 11), false);
});

const a = (): OriginState => origin("a", { slots: 4 });
const fail = (one: OriginState, others: OriginState[], times: number, now = 0) => {
  let until: number | undefined;
  for (let n = 0; n < times; n++) until = failed(one, [one, ...others], now);
  return until;
};

describe("origins that keep failing", () => {
  test("fewer than enough: nothing", () => {
    const one = a();
    assert.equal(fail(one, [origin("b")], REST_AFTER - 1), undefined);
    assert.equal(one.onTrial, false);
  });
  test("enough in a row: rested, longer each time, and then tried with one job", () => {
    const one = a();
    assert.equal(fail(one, [origin("b")], REST_AFTER), 60_000);
    assert.equal(one.onTrial, true);
    assert.equal(fail(one, [origin("b")], 1, 60_000), 180_000);
    assert.equal(fail(one, [origin("b")], 20), 30 * 60_000);
  });
  test("a job done ends the row, and the trial", () => {
    const one = a();
    fail(one, [origin("b")], REST_AFTER);
    succeeded(one);
    assert.deepEqual([one.failures, one.onTrial], [0, false]);
    assert.equal(fail(one, [origin("b")], 1), undefined);
  });
  test("the last one for a system is not rested: it is tried with one job at once", () => {
    const one = a();
    assert.equal(fail(one, [origin("b", { systems: ["aarch64-linux"] })], REST_AFTER), undefined);
    assert.deepEqual([one.onTrial, one.restUntil], [true, 0]);
  });
  test("one that takes no jobs, and one that rests, cover no other", () => {
    for (const more of [{ accepting: false }, { restUntil: 90_000 }])
      assert.equal(fail(a(), [origin("b", more)], REST_AFTER), undefined);
  });
  test("one that rests while the others leave is tried at once", () => {
    const [one, other] = [a(), origin("b")];
    const schedule = farm([one, other], request("x", ["git"]));
    fail(one, [other], REST_AFTER);
    assert.equal(one.restUntil, 60_000);
    schedule.origins.delete("b");
    sweep(schedule, 1, TIMES);
    assert.equal(one.restUntil, 1);
  });
});

test("many origins lost at once: no item is to blame", () => {
  assert.equal(isOutage([0, 1], 4, 2), false);
  assert.equal(isOutage([0, 1, 2], 4, 2), true);
  assert.equal(isOutage([0, 1, 2], 100, 2), false);
  assert.equal(isOutage([0, 1, 2], 4, 60_001), false);
});
