/** The lease rules as tables: what the farm knows → what it does. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Times } from "../../../edge/farm/limits.ts";
import {
  type Decision,
  type JobState,
  type OriginState,
  schedule,
} from "../../../edge/farm/schedule.ts";

/** Seconds, as in the header of schedule.ts. */
const TIMES: Times = { accept: 5, reconnect: 10, lease: 60, avoid: 5, queue: 3_600, job: 10_800 };
const REVISION = "a".repeat(40);

const origin = (name: string, more: Partial<OriginState> = {}): OriginState => ({
  name,
  systems: ["x86_64-linux"],
  slots: 1,
  seen: 0,
  connected: true,
  leaving: false,
  accepting: true,
  revisions: [],
  ...more,
});
const job = (id: string, more: Partial<JobState> = {}): JobState => ({
  id,
  queuedAt: 0,
  system: "x86_64-linux",
  revision: REVISION,
  attempts: 0,
  avoid: {},
  lacking: [],
  trouble: "",
  ...more,
});
const held = (id: string, by: string, more: Partial<JobState> = {}, accepted = true): JobState =>
  job(id, { attempts: 1, holder: { origin: by, since: 0, accepted }, ...more });

/** The origins and jobs of the worked example. */
const a = (seen: number, more: Partial<OriginState> = {}): OriginState =>
  origin("a", { slots: 2, seen, ...more });
const b = (seen: number): OriginState => origin("b", { seen });
const by = (name: string, since: number, attempts = 1): Partial<JobState> => ({
  attempts,
  holder: { origin: name, since, accepted: true },
});
const at = (now: number, jobs: JobState[], origins: OriginState[]): string =>
  short(schedule(jobs, origins, now, TIMES).decisions);

/** `1→a`, `1←a` (taken back), `1✗` (given up), `1∅` (no origin), `1?` (unknown revision), `†a` (dropped). */
const short = (decisions: readonly Decision[]): string =>
  decisions
    .map((d) =>
      ({
        assign: () => `${"job" in d ? d.job : ""}→${"origin" in d ? d.origin : ""}`,
        "take-back": () => `${"job" in d ? d.job : ""}←${"origin" in d ? d.origin : ""}`,
        "give-up": () => `${"job" in d ? d.job : ""}✗`,
        "unknown-revision": () => `${"job" in d ? d.job : ""}?`,
        "no-origin": () => `${"job" in d ? d.job : ""}∅`,
        drop: () => `†${"origin" in d ? d.origin : ""}`,
      })[d.kind](),
    )
    .join(" ");

interface Row {
  readonly what: string;
  readonly jobs: JobState[];
  readonly origins: OriginState[];
  readonly now?: number;
  readonly does: string;
  readonly wakeAt?: number | null;
}

const table: Row[] = [
  {
    what: "nothing to do: no need to wake",
    jobs: [],
    origins: [origin("a")],
    does: "",
    wakeAt: null,
  },
  {
    what: "the first by name, when all else is equal",
    jobs: [job("1")],
    origins: [origin("b"), origin("a")],
    does: "1→a",
    wakeAt: 5,
  },
  {
    what: "given to one that was last heard of long ago: looks again when its lease ends",
    jobs: [job("1")],
    origins: [origin("a")],
    now: 58,
    does: "1→a",
    wakeAt: 60,
  },
  {
    what: "the oldest job first, then by id",
    jobs: [job("3"), job("2", { queuedAt: 1 }), job("1")],
    origins: [origin("a", { slots: 3 })],
    does: "1→a 3→a 2→a",
  },
  {
    what: "the least loaded by share of its slots",
    jobs: [held("0", "a"), held("1", "b"), job("2")],
    origins: [origin("a", { slots: 2 }), origin("b", { slots: 4 })],
    does: "2→b",
  },
  {
    what: "rather one that has the revision, though it is busier",
    jobs: [held("0", "b"), job("1")],
    origins: [origin("a"), origin("b", { slots: 2, revisions: [REVISION] })],
    does: "1→b",
  },
  {
    what: "one without the revision, when the other is full",
    jobs: [held("0", "b"), job("1")],
    origins: [origin("a"), origin("b", { revisions: [REVISION] })],
    does: "1→a",
  },
  {
    what: "a resolve goes to any system",
    jobs: [{ id: "1", queuedAt: 0, attempts: 0, avoid: {}, lacking: [], trouble: "" }],
    origins: [origin("a", { systems: ["aarch64-linux"] })],
    does: "1→a",
  },
  {
    what: "another system is no origin",
    jobs: [job("1")],
    origins: [origin("a", { systems: ["aarch64-linux"] })],
    does: "1∅",
    wakeAt: null,
  },
  { what: "none at all", jobs: [job("1")], origins: [], does: "1∅" },
  {
    what: "full: waits, until the origin may have fallen silent",
    jobs: [held("0", "a"), job("1")],
    origins: [origin("a")],
    now: 1,
    does: "",
    wakeAt: 60,
  },
  {
    what: "a job behind one that must wait goes past it",
    jobs: [job("1", { system: "aarch64-linux" }), job("2")],
    origins: [origin("a"), origin("z", { systems: ["aarch64-linux"], connected: false })],
    now: 5,
    does: "2→a",
    wakeAt: 10,
  },
  {
    what: "leaving: takes nothing",
    jobs: [job("1")],
    origins: [origin("a", { leaving: true }), origin("b")],
    does: "1→b",
  },
  {
    what: "leaving and the only one: there is none",
    jobs: [job("1")],
    origins: [origin("a", { leaving: true })],
    does: "1∅",
  },
  {
    what: "lacks the revision: another one, though it is busier",
    jobs: [held("0", "b"), job("1", { lacking: ["a"] })],
    origins: [origin("a"), origin("b", { slots: 2 })],
    does: "1→b",
  },
  {
    what: "lacks the revision, and the other one is full: waits for that",
    jobs: [held("0", "b"), job("1", { lacking: ["a"] })],
    origins: [origin("a"), origin("b")],
    does: "",
  },
  {
    what: "all of them lack the revision",
    jobs: [job("1", { lacking: ["a", "b"] })],
    origins: [origin("a"), origin("b")],
    does: "1?",
    wakeAt: null,
  },
  {
    what: "avoided: another one",
    jobs: [job("1", { avoid: { a: 9 } })],
    origins: [origin("a"), origin("b")],
    now: 4,
    does: "1→b",
  },
  {
    what: "avoided and the only one: waits until it may",
    jobs: [job("1", { avoid: { a: 9 } })],
    origins: [origin("a")],
    now: 4,
    does: "",
    wakeAt: 9,
  },
  {
    what: "avoided long enough",
    jobs: [job("1", { avoid: { a: 9 } })],
    origins: [origin("a", { seen: 9 })],
    now: 9,
    does: "1→a",
  },
  {
    what: "connection dropped: keeps its job",
    jobs: [held("1", "a")],
    origins: [origin("a", { connected: false, seen: 0 }), origin("b")],
    now: 9,
    does: "",
    wakeAt: 10,
  },
  {
    what: "connection dropped too long: another one",
    jobs: [held("1", "a")],
    origins: [origin("a", { connected: false }), origin("b")],
    now: 10,
    does: "1←a 1→b",
    wakeAt: 15,
  },
  {
    what: "connection dropped too long, nobody else",
    jobs: [held("1", "a")],
    origins: [origin("a", { connected: false })],
    now: 10,
    does: "1←a 1∅",
    wakeAt: null,
  },
  { what: "gone altogether", jobs: [held("1", "a")], origins: [origin("b")], does: "1←a 1→b" },
  {
    what: "silent: dropped, and another one",
    jobs: [held("1", "a")],
    origins: [origin("a"), origin("b", { seen: 50 })],
    now: 60,
    does: "†a 1←a 1→b",
  },
  {
    what: "silent, and nobody else",
    jobs: [held("1", "a")],
    origins: [origin("a")],
    now: 60,
    does: "†a 1←a 1∅",
  },
  {
    what: "silent, with nothing to do: dropped all the same",
    jobs: [],
    origins: [origin("a")],
    now: 60,
    does: "†a",
  },
  {
    what: "not accepted in time: taken back, and not given to the same at once",
    jobs: [held("1", "a", {}, false)],
    origins: [origin("a")],
    now: 5,
    does: "1←a",
    wakeAt: 10,
  },
  {
    what: "not accepted yet",
    jobs: [held("1", "a", {}, false)],
    origins: [origin("a")],
    now: 4,
    does: "",
    wakeAt: 5,
  },
  {
    what: "took too long, and waited too long for more",
    jobs: [held("1", "a")],
    origins: [origin("a", { seen: 10_790 })],
    now: 10_800,
    does: "1←a 1✗",
  },
  {
    what: "three attempts are enough",
    jobs: [held("1", "a", { attempts: 3 })],
    origins: [origin("a", { connected: false }), origin("b")],
    now: 10,
    does: "1←a 1✗",
  },
  {
    what: "queued again after the third attempt",
    jobs: [job("1", { attempts: 3, trouble: "disk full" })],
    origins: [origin("a")],
    does: "1✗",
  },
  {
    what: "waited for a slot too long",
    jobs: [held("0", "a", { holder: { origin: "a", since: 3_000, accepted: true } }), job("1")],
    origins: [origin("a", { seen: 3_599 })],
    now: 3_600,
    does: "1✗",
  },
  {
    what: "a freed slot is used in the same moment",
    jobs: [held("1", "a"), job("2", { queuedAt: 1 })],
    origins: [origin("a", { connected: false }), origin("b", { seen: 9 })],
    now: 10,
    does: "1←a 1→b",
    wakeAt: 15,
  },
];

describe("schedule", () => {
  for (const { what, jobs, origins, now = 0, does, wakeAt } of table) {
    test(what, () => {
      const result = schedule(jobs, origins, now, TIMES);
      assert.equal(short(result.decisions), does);
      if (wakeAt !== undefined) assert.equal(result.wakeAt, wakeAt);
      assert.deepEqual(
        schedule(jobs.toReversed(), origins.toReversed(), now, TIMES),
        result,
        "the order of the lists decides nothing",
      );
    });
  }

  test("the worked example of schedule.ts", () => {
    assert.equal(at(0, [job("1"), job("2"), job("3")], [a(0), b(0)]), "1→a 2→b 3→a");
    const begun = [job("1", by("a", 0)), job("2", by("b", 0)), job("3", by("a", 0))];
    const dropped = schedule(begun, [a(40, { connected: false }), b(10)], 40, TIMES);
    assert.deepEqual([short(dropped.decisions), dropped.wakeAt], ["", 50]);
    assert.equal(
      at(
        45,
        [job("1", by("a", 0)), job("2", by("b", 0)), job("3", { attempts: 1 })],
        [a(45), b(10)],
      ),
      "3→a",
    );
    const later = [job("1", by("a", 0)), job("2", by("b", 0)), job("3", by("a", 45, 2))];
    assert.equal(at(70, later, [a(65), b(10)]), "†b 2←b");
    assert.equal(
      at(71, [job("2", { attempts: 1, avoid: { b: 75 } }), job("3", by("a", 45, 2))], [a(71)]),
      "2→a",
    );
  });
});
