/** What is given to whom, and what comes back. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { MAX_ATTEMPTS } from "../../../../edge/farm/limits.ts";
import { MAX_WANTS } from "../../../../edge/farm/schedule/backlog.ts";
import { type Entry, isWanted, type Job } from "../../../../edge/farm/schedule/state.ts";
import type { PutBack, Schedule } from "../../../../edge/farm/schedule/schedule.ts";
import { sweep } from "../../../../edge/farm/schedule/sweep.ts";
import {
  done,
  entry,
  farm,
  jobOf,
  origin,
  packageItem,
  request,
  short,
  tagItem,
  TIMES,
  want,
} from "./farm.ts";

const numbered = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

test("a tag waits for no build, and no build for a tag", () => {
  const schedule = farm([origin("a")], [...request("x", ["git"]), ...request("x", ["curl"])]);
  assert.equal(short(schedule.dispatch(0)), "git→a");
  for (const tag of ["one", "two", "three"]) schedule.backlog.add(entry(tagItem(tag)));
  assert.equal(short(schedule.dispatch(1)), "one→a two→a", "as many as it resolves at once");
  done(schedule, "git");
  assert.equal(short(schedule.dispatch(2)), "curl→a");
  done(schedule, "one");
  assert.equal(short(schedule.dispatch(3)), "three→a");
});

test("somebody who waits goes before background work, also one who comes later", () => {
  const schedule = farm([origin("a")], request("x", ["first"]));
  schedule.dispatch(0);
  for (const each of request("x", ["warm"], "background")) schedule.backlog.add(each);
  for (const each of request("y", ["pulled"])) schedule.backlog.add(each);
  done(schedule, "first");
  assert.equal(short(schedule.dispatch(1)), "pulled→a");
  done(schedule, "pulled");
  assert.equal(short(schedule.dispatch(2)), "warm→a");
});

test("background work that somebody comes to wait for goes with what is waited for", () => {
  const [warm, other] = request("x", ["warm", "other"], "background");
  const schedule = farm([origin("a")], request("z", ["first"]));
  schedule.dispatch(0);
  for (const each of [other, warm]) if (each) schedule.backlog.add(each);
  if (warm) schedule.backlog.want(warm, want("y"));
  done(schedule, "first");
  assert.equal(short(schedule.dispatch(1)), "warm→a");
});

test("an item that two clients want is begun once; both are counted while it waits", () => {
  const [git] = request("x", ["git"]);
  const schedule = farm([origin("a")], request("z", ["first"]));
  schedule.dispatch(0);
  if (git) schedule.backlog.add(git);
  if (git) schedule.backlog.want(git, want("y"));
  assert.deepEqual([schedule.backlog.queuedBy("x"), schedule.backlog.queuedBy("y")], [1, 1]);
  assert.equal(schedule.backlog.queued, 1);
  done(schedule, "first");
  assert.equal(short(schedule.dispatch(1)), "git→a");
  assert.deepEqual([schedule.backlog.queuedBy("x"), schedule.backlog.queuedBy("y")], [0, 0]);
  done(schedule, "git");
  assert.equal(short(schedule.dispatch(2)), "");
  assert.deepEqual([schedule.backlog.entries.size, schedule.jobs.size], [0, 0]);
});

test("an item that a client wants by two builds is counted once, and is in a job once", () => {
  const [git] = request("x", ["git"]);
  const schedule = farm([], git ? [git] : []);
  if (git) schedule.backlog.want(git, want("x", { build: "another build" }));
  assert.equal(schedule.backlog.queuedBy("x"), 1);
  schedule.enter(origin("a"));
  assert.equal(short(schedule.dispatch(0)), "git→a");
  assert.deepEqual([git?.attempts, schedule.backlog.queued], [1, 0]);
});

test("the same when it is read after a restart", () => {
  const [git] = request("x", ["git"]);
  git?.wants.set("x\nanother build", want("x", { build: "another build" }));
  const schedule = farm([origin("a")], git ? [git] : []);
  assert.equal(short(schedule.dispatch(0)), "git→a");
  assert.deepEqual([git?.attempts, schedule.backlog.queued], [1, 0]);
});

test("a flood of one client: another one's image is next", () => {
  const schedule = farm(
    [origin("a")],
    numbered("f", 100).flatMap((name) => request("flood", [name])),
  );
  schedule.dispatch(0);
  for (const each of request("y", ["git", "curl"])) schedule.backlog.add(each);
  const given: string[] = [];
  for (let now = 1; schedule.backlog.queued > 0; now++) {
    for (const job of schedule.jobs.values())
      for (const each of schedule.open(job)) schedule.end(each);
    given.push(short(schedule.dispatch(now)));
  }
  assert.ok(given.indexOf("git,curl→a") < 17, `after ${given.indexOf("git,curl→a")} jobs`);
});

test("what nobody waits for any more is dropped before it begins; what is begun goes on", () => {
  const left = entry(packageItem("left"), "x", {
    wants: new Map([["k", want("x", { until: 90 })]]),
  });
  const begun = entry(packageItem("begun"), "x", {
    wants: new Map([["k", want("x", { until: 90 })]]),
  });
  const schedule = farm([origin("a")], [begun]);
  schedule.dispatch(0);
  jobOf(schedule, "begun").accepted = true;
  schedule.backlog.add(left);
  assert.equal(schedule.dispatch(89).length, 0);
  const a = schedule.origins.get("a");
  if (a) a.seen = 90;
  const { verdicts } = sweep(schedule, 90, TIMES);
  assert.deepEqual(verdicts, []);
  assert.deepEqual([...schedule.backlog.entries.keys()], ["begun"]);
  done(schedule, "begun");
  assert.equal(schedule.dispatch(91).length, 0);
});

test("an item that 5,000 clients want, and 5,000 builds: few are noted, and it stays wanted", () => {
  const [git] = request("z", ["git"]);
  if (!git) throw new Error("no entry");
  const schedule = farm([], [git]);
  const ask = (client: string, build: string, until: number): void =>
    schedule.backlog.want(git, want(client, { build, until }));
  for (const each of numbered("c", 5_000)) ask(each, "one", 90);
  const builds = (): Set<string> => new Set(Array.from(git.wants.values(), ({ build }) => build));
  assert.ok(builds().has("one"));
  for (const each of numbered("b", 5_000)) ask("c0", each, 90);
  assert.ok(git.wants.size <= 2 * MAX_WANTS, `${git.wants.size} are noted`);
  assert.ok(builds().size >= MAX_WANTS, "further builds are noted than those of the first clients");
  ask("c4999", "one", 180);
  git.wants.get(`z\nbuild of z`)!.until = 90;
  assert.ok(isWanted(git, 100), "by a client that is not noted itself");
  assert.ok(!isWanted(git, 180));
  assert.equal(schedule.backlog.queued, 1);
  schedule.end(git);
  assert.equal(schedule.backlog.queuedBy("c0") + schedule.backlog.queuedBy(""), 0);
});

test("an item that is asked for again in time keeps its place", () => {
  const [first] = request("x", ["first"]);
  const schedule = farm([origin("a")], request("z", ["busy"]));
  schedule.dispatch(0);
  const [key] = first?.wants.keys() ?? [];
  const own = first?.wants.get(key ?? "");
  if (!first || !own) throw new Error("no entry");
  own.until = 90;
  schedule.backlog.add(first);
  schedule.backlog.want(first, want("x", { until: 180 }));
  done(schedule, "busy");
  assert.equal(short(schedule.dispatch(100)), "first→a");
});

test("who asks again for a shorter time takes nothing from the time asked for before", () => {
  const schedule = farm([origin("a")], request("z", ["busy"]));
  schedule.dispatch(0);
  const first = entry(packageItem("first"), "x", { wants: new Map() });
  schedule.backlog.add(first);
  for (const until of [180, 90]) schedule.backlog.want(first, want("x", { until }));
  done(schedule, "busy");
  assert.equal(short(schedule.dispatch(100)), "first→a");
});

describe("items that come back", () => {
  const reason = "origin a: the disk is full";
  const back = (change: Partial<PutBack>, attempts = 0, origins = [origin("a"), origin("b")]) => {
    const git = entry(packageItem("git"), "x", { attempts });
    const schedule = farm(origins, [git]);
    schedule.dispatch(0);
    const job = jobOf(schedule, "git");
    const [name] = [job.origin];
    const verdicts = schedule.putBack(job, [git], { reason, attempted: true, ...change }, 1);
    schedule.release(job);
    return { schedule, git, name, verdicts, ends: verdicts.map(({ kind }) => kind).join() };
  };

  test("its own trouble: an attempt, and another origin has the next", () => {
    const { schedule, git, name, ends } = back({});
    assert.deepEqual([ends, git.attempts, git.trouble], ["", 1, reason]);
    assert.equal(short(schedule.dispatch(1)), `git→${name === "a" ? "b" : "a"}`);
  });
  test("made and not stored: taken back, it does not count as made", () => {
    const git = entry(packageItem("git"), "x", { unstoredUntil: 100 });
    const schedule = farm([origin("a"), origin("b")], [git]);
    const [job] = schedule.dispatch(0);
    if (job === undefined) throw new Error("no job");
    schedule.putBack(job, [git], { reason, attempted: true }, 1);
    assert.equal(git.unstoredUntil, 0);
  });
  test("refused: no attempt", () => assert.equal(back({ attempted: false }).git.attempts, 0));
  test("the last attempt: given up", () =>
    assert.equal(back({}, MAX_ATTEMPTS - 1).ends, "give-up"));
  test("lacks the revision: no attempt, and never again", () => {
    const { schedule, git, name } = back({ attempted: false, lacks: true });
    assert.deepEqual([git.attempts, [...git.lacking]], [0, [name]]);
    assert.equal(short(schedule.dispatch(1)), `git→${name === "a" ? "b" : "a"}`);
  });
  test("all lack the revision: it ends, and says so", () => {
    const { ends, verdicts } = back({ attempted: false, lacks: true }, 0, [origin("a")]);
    assert.equal(ends, "lacking");
    assert.match(verdicts[0]?.reason ?? "", /has the revision a{40}/);
  });
  test("needs a feature: an origin that has it does it", () => {
    const kvm = origin("c", { features: ["kvm"], held: { tags: 0, packages: 0 } });
    const { schedule } = back({ attempted: false, lacks: true, features: ["kvm"] }, 0, [
      origin("a"),
      kvm,
    ]);
    const given = short(schedule.dispatch(2));
    assert.ok(given === "git→c" || given === "", given);
    assert.equal(schedule.backlog.entries.get("git")?.features.has("kvm"), true);
  });
  test("needs a feature that nobody has: it ends, and says which", () => {
    const { ends, verdicts } = back({ attempted: false, features: ["kvm"] });
    assert.equal(ends, "lacking");
    assert.match(verdicts[0]?.reason ?? "", /system features kvm/);
  });
  test("made by one owner: another owner's origin makes it too, and attempts begin anew", () => {
    const origins = [origin("a", { owner: "acme" }), origin("b", { owner: "acme" }), origin("c")];
    const { schedule, git, name } = back({ attempted: false, madeBy: "acme" }, 1, [...origins]);
    assert.deepEqual([git.attempts, [...git.owners]], [0, ["acme"]]);
    if (name !== "c") assert.equal(short(schedule.dispatch(1)), "git→c");
  });
  test("made by the only owner there is: it ends, and says so", () => {
    const origins = [origin("a", { owner: "acme" }), origin("b", { owner: "acme" })];
    const { ends, verdicts } = back({ attempted: false, madeBy: "acme" }, 0, origins);
    assert.equal(ends, "lacking");
    assert.match(verdicts[0]?.reason ?? "", /2 origins of different owners/);
  });
  test("made late by one owner while it waits as new: another owner's origin makes it", () => {
    const [git] = request("x", ["git"]);
    const schedule = farm([origin("a", { held: { tags: 0, packages: 1 } })], git ? [git] : []);
    if (git) schedule.madeBy(git, "a");
    schedule.enter(origin("b"));
    assert.equal(short(schedule.dispatch(1)), "git→b");
  });
  test("lost once: it goes alone; lost twice: quarantine", () => {
    const both = request("x", ["git", "curl"]);
    const schedule = farm([origin("a", { slots: 2 })], both);
    const [job] = schedule.dispatch(0);
    if (!job) throw new Error("no job");
    assert.equal(short([job]), "git,curl→a");
    const lost = { reason: "lost", attempted: true, lost: true };
    assert.deepEqual(schedule.putBack(job, both, lost, 1), []);
    schedule.release(job);
    assert.equal(short(schedule.dispatch(2)), "git→a curl→a");
    const [verdict] = schedule.putBack(jobOf(schedule, "git"), both.slice(0, 1), lost, 3);
    assert.equal(verdict?.kind, "quarantine");
    assert.match(verdict?.reason ?? "", /2 origins were lost/);
  });
  test("what was begun before goes before what was not", () => {
    const { schedule, name } = back({});
    for (const each of ["a", "b"]) {
      const other = schedule.origins.get(each);
      if (other && each === name) other.accepting = false;
    }
    for (const each of request("y", ["curl"])) schedule.backlog.add(each);
    assert.match(short(schedule.dispatch(1)), /^git→/);
  });
  test("items of one request come back as one job", () => {
    const both = request("x", ["git", "curl"]);
    const schedule = farm([origin("a")], both);
    const [job] = schedule.dispatch(0);
    if (!job) throw new Error("no job");
    schedule.putBack(job, both, { reason: "stops", attempted: false, avoidUntil: 5 }, 1);
    schedule.release(job);
    assert.equal(short(schedule.dispatch(4)), "");
    assert.equal(short(schedule.dispatch(5)), "git,curl→a");
  });
});

/** The keys and jobs that changed by `change`, of a farm in which a does git and curl. */
const changes = (change: (schedule: Schedule, job: Job, git: Entry) => void) => {
  const both = request("x", ["git", "curl"]);
  const schedule = farm([origin("a")], both);
  const [job] = schedule.dispatch(0);
  const [git] = both;
  if (job === undefined || git === undefined) throw new Error("no job");
  schedule.backlog.changed.clear();
  schedule.changedJobs.clear();
  change(schedule, job, git);
  const { backlog, changedJobs, jobs } = schedule;
  return { keys: [...backlog.changed], jobs: [...changedJobs], left: jobs.size, schedule };
};

describe("what the farm's copy in SQLite is told of", () => {
  test("an item that comes back", () => {
    const back = { reason: "trouble", attempted: true };
    const { keys } = changes((schedule, job, git) => schedule.putBack(job, [git], back, 1));
    assert.deepEqual(keys, ["git"]);
  });
  test("an item that one more owner has made", () => {
    assert.deepEqual(changes((schedule, _, git) => schedule.madeBy(git, "acme")).keys, ["git"]);
  });
  test("a job that is over, or lost, or taken up again", () => {
    assert.deepEqual(changes((schedule, job) => schedule.release(job)).jobs, ["1"]);
    assert.deepEqual(changes((schedule, job) => schedule.release(job, 5)).jobs, ["1"]);
    const again = changes((schedule, job, git) => {
      schedule.release(job, 5);
      schedule.putBack(job, [git], { reason: "lost", attempted: true }, 5);
      schedule.changedJobs.clear();
      assert.ok(schedule.reclaim(job, 6));
    });
    assert.deepEqual(again.jobs, ["1"]);
  });
  test("a job of which one item has ended goes on with the other", () => {
    const { jobs, left, schedule } = changes((all, _, git) =>
      assert.equal(all.end(git), undefined),
    );
    assert.deepEqual([jobs, left], [[], 1]);
    assert.equal(schedule.origins.get("a")?.held.packages, 1);
    assert.equal(jobOf(schedule, "curl").id, "1");
  });
});

const heldJob = (more: Partial<Job> = {}): Job => ({
  id: "j",
  origin: "a",
  lane: "packages",
  keys: ["git"],
  since: 0,
  accepted: true,
  lostAt: null,
  ...more,
});

describe("jobs that an origin holds", () => {
  test("count when they are read after a restart, and not those that were lost", () => {
    const a = origin("a");
    const schedule = farm([a]);
    schedule.load(heldJob());
    schedule.load(heldJob({ id: "k", lostAt: 5 }));
    assert.equal(a.held.packages, 1);
  });

  test("count when it connects again", () => {
    const schedule = farm([origin("a")], [...request("x", ["git"]), ...request("x", ["curl"])]);
    assert.equal(short(schedule.dispatch(0)), "git→a");
    const again = origin("a");
    schedule.enter(again);
    assert.equal(again.held.packages, 1);
    assert.equal(short(schedule.dispatch(1)), "");
  });

  test("one that was lost, and whose late result came, is not counted a second time", () => {
    const a = origin("a", { slots: 2 });
    const schedule = farm([a], [...request("x", ["git"]), ...request("x", ["curl"])]);
    const [lost] = schedule.dispatch(0);
    if (lost === undefined) throw new Error("no job");
    assert.equal(a.held.packages, 2);
    schedule.release(lost, 5);
    schedule.release(lost);
    assert.equal(a.held.packages, 1);
  });

  test("one that is taken up again has its whole time anew, and need not be accepted", () => {
    const [git] = request("x", ["git"]);
    const schedule = farm([origin("a")], git ? [git] : []);
    const [lost] = schedule.dispatch(0);
    if (lost === undefined || git === undefined) throw new Error("no job");
    schedule.release(lost, 5);
    schedule.putBack(lost, [git], { reason: "lost", attempted: true }, 5);
    assert.ok(schedule.reclaim(lost, 7));
    assert.deepEqual([lost.since, lost.accepted, lost.lostAt], [7, true, null]);
  });
});

test("10,000 items leave nothing behind when they have ended", () => {
  const entries = numbered("p", 10_000).map((name, n) => entry(packageItem(name), `c${n % 500}`));
  const origins = numbered("o", 100).map((name) => origin(name, { slots: 4 }));
  const schedule = farm(origins, entries);
  for (let now = 0; schedule.backlog.entries.size > 0; now++) {
    const jobs = schedule.dispatch(now);
    assert.ok(jobs.length > 0);
    for (const job of jobs) for (const each of schedule.open(job)) schedule.end(each);
  }
  assert.equal(schedule.jobs.size + schedule.backlog.queued, 0);
  for (const { held } of origins) assert.deepEqual(held, { tags: 0, packages: 0 });
});
