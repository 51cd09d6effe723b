/** What is taken into the queue, for how long, and what is not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Item } from "../../../../edge/contract/items.ts";
import { itemKey, type Reply } from "../../../../edge/farm/builds/answer.ts";
import { type Bounds, takeIn } from "../../../../edge/farm/jobs/take-in.ts";
import type { Schedule } from "../../../../edge/farm/schedule/schedule.ts";
import type { OriginState, Purpose } from "../../../../edge/farm/schedule/state.ts";
import { farm, origin, packageItem, TIMES } from "../schedule/farm.ts";

const UNBOUNDED: Bounds = { perClient: null, total: 1_000 };

interface Asked {
  readonly client?: string | null;
  readonly purpose?: Purpose;
  readonly bounds?: Partial<Bounds>;
}

/** A farm that remembers no ending, and a way to ask it for packages at the time 100. */
function asking(origins: readonly OriginState[] = [origin("a", { seen: 100 })]) {
  const schedule = farm(origins);
  const endings = { look: (items: readonly Item[]) => ({ known: new Map(), open: items }) };
  const ask = (names: readonly string[], asked: Asked = {}): Reply => {
    const { client = null, purpose = "waiting", bounds = {} } = asked;
    const items = names.map((name) => packageItem(name));
    const wanted = { build: names.join(), items, client, purpose, regions: [] };
    const parts = { schedule, endings, times: () => TIMES };
    return takeIn(wanted, parts, { ...UNBOUNDED, ...bounds }, 100);
  };
  return { schedule, ask };
}
const untilOf = ({ backlog }: Schedule, name: string): number[] =>
  Array.from(
    backlog.entries.get(itemKey(packageItem(name)))?.wants.values() ?? [],
    ({ until }) => until,
  );

test("what somebody waits for is wanted until he should have asked again, other work for long", () => {
  const { schedule, ask } = asking();
  ask(["git"]);
  ask(["curl"], { purpose: "background" });
  assert.deepEqual(untilOf(schedule, "git"), [100 + TIMES.wanted]);
  assert.deepEqual(untilOf(schedule, "curl"), [100 + TIMES.queue]);
});

test("a request is taken whole or not at all; what is queued may be joined", () => {
  const { schedule, ask } = asking();
  const bounds = { total: 2 };
  assert.equal(ask(["git"], { bounds }).state, "taken");
  const full = { state: "queue-full", yours: false, limit: 2 };
  assert.deepEqual(ask(["curl", "jq"], { bounds }), full);
  assert.equal(schedule.backlog.queued, 1);
  assert.equal(ask(["git", "curl"], { bounds }).state, "taken");
  assert.equal(ask(["curl"], { bounds }).state, "taken");
  assert.equal(schedule.backlog.queued, 2);
});

test("a client's share: one request of any length, or as many items as it says", () => {
  const { ask } = asking();
  const bounds = { perClient: 2 };
  const full = { state: "queue-full", yours: true, limit: 2 };
  assert.equal(ask(["a", "b", "c"], { client: "x", bounds }).state, "taken");
  assert.deepEqual(ask(["d"], { client: "x", bounds }), full);
  assert.equal(ask(["d"], { client: "y", bounds }).state, "taken");
  assert.equal(ask(["e"], { client: "y", bounds }).state, "taken");
  assert.deepEqual(ask(["f"], { client: "y", bounds }), full);
  assert.equal(ask(["f"], { bounds }).state, "taken", "nobody in particular has no share");
});

test("what no origin could make, or all take no jobs for, is not taken, nor what came with it", () => {
  const full = { accepting: false, pausedAt: 0, seen: 100 };
  for (const [origins, state] of [
    [[], "no-origin"],
    [[origin("a", full)], "paused"],
  ] as const) {
    const { schedule, ask } = asking(origins);
    assert.equal(ask(["git", "curl"]).state, state);
    assert.equal(schedule.backlog.entries.size, 0);
  }
});

test("what is made and cannot be stored is said to be so, for as long as it counts as that", () => {
  const { schedule, ask } = asking();
  ask(["git"]);
  const key = itemKey(packageItem("git"));
  const known = (): unknown => {
    const reply = ask(["git"]);
    return reply.state === "taken" && reply.known.get(key);
  };
  const entry = schedule.backlog.entries.get(key);
  assert.ok(entry);
  entry.unstoredUntil = 101;
  assert.equal(known(), "unstored");
  entry.unstoredUntil = 100;
  assert.equal(known(), undefined);
});
