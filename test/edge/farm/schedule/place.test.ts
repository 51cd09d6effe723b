/** Which origin does an item soonest. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { fits, isFree, isPaused, isServed, place } from "../../../../edge/farm/schedule/place.ts";
import type { Entry, OriginState } from "../../../../edge/farm/schedule/state.ts";
import { entry, origin, packageItem, request, tagItem, TIMES } from "./farm.ts";

const placed = (entries: readonly Entry[], origins: readonly OriginState[], now = 0): string =>
  place(entries, origins, now)
    .map(({ origin: { name }, entries: own }) => `${own.map(({ key }) => key).join()}→${name}`)
    .sort()
    .join(" ");
const git = (more: Partial<Entry> = {}): Entry => entry(packageItem("git"), "x", more);
const cold = { revisions: new Set<string>() };

describe("whether an origin fits", () => {
  const table: readonly [string, Entry, Partial<OriginState>, boolean][] = [
    ["its system", git(), {}, true],
    ["another system", git(), { systems: ["aarch64-linux"] }, false],
    ["a tag, whatever system", entry(tagItem("latest")), { systems: ["aarch64-linux"] }, true],
    ["a tag that it may not resolve", entry(tagItem("latest")), { tags: ["nixos-*"] }, false],
    ["a tag that it may resolve", entry(tagItem("nixos-25.11")), { tags: ["nixos-*"] }, true],
    ["it lacks the revision", git({ lacking: new Set(["a"]) }), {}, false],
    ["another one lacks the revision", git({ lacking: new Set(["b"]) }), {}, true],
    [
      "a feature that it lacks",
      git({ features: new Set(["kvm"]) }),
      { features: ["big-parallel"] },
      false,
    ],
    ["a feature that it has", git({ features: new Set(["kvm"]) }), { features: ["kvm"] }, true],
    ["its owner has made it", git({ owners: new Set(["acme"]) }), { owner: "acme" }, false],
    ["another owner has made it", git({ owners: new Set(["acme"]) }), {}, true],
  ];
  for (const [what, item, more, does] of table)
    test(what, () => assert.equal(fits(origin("a", more), item), does));
});

describe("whether an origin is free", () => {
  const table: readonly [string, Partial<OriginState>, string][] = [
    ["idle", {}, "tags packages"],
    ["all slots in use: tags have their own", { held: { tags: 0, packages: 1 } }, "tags"],
    ["two tags are enough", { held: { tags: 2, packages: 0 } }, "packages"],
    ["not connected", { connected: false }, ""],
    ["leaving", { leaving: true }, ""],
    ["takes no jobs", { accepting: false }, ""],
    ["drained", { drained: true }, ""],
    ["at rest", { restUntil: 11 }, ""],
    ["rested", { restUntil: 10 }, "tags packages"],
    [
      "on trial: one job, whatever its slots",
      { onTrial: true, slots: 4, held: { tags: 0, packages: 1 } },
      "tags",
    ],
    ["four slots, one in use", { slots: 4, held: { tags: 0, packages: 1 } }, "tags packages"],
  ];
  for (const [what, more, lanes] of table)
    test(what, () => {
      const free = (["tags", "packages"] as const).filter((lane) =>
        isFree(origin("a", more), lane, 10),
      );
      assert.equal(free.join(" "), lanes);
    });
});

describe("whether anybody could do it", () => {
  const table: readonly [string, Partial<OriginState>, number, boolean][] = [
    ["connected", {}, 59, true],
    ["silent", {}, 60, false],
    ["its connection dropped a moment ago", { connected: false }, 9, true],
    ["its connection dropped long ago", { connected: false }, 10, false],
    ["leaving", { leaving: true }, 0, false],
    ["drained", { drained: true }, 0, false],
    ["its disk is full for now", { accepting: false }, 0, true],
    ["another system", { systems: ["aarch64-linux"] }, 0, false],
  ];
  for (const [what, more, now, is] of table)
    test(what, () => assert.equal(isServed(git(), [origin("a", more)], now, TIMES), is));
});

describe("whether all that could do it take no jobs for long", () => {
  const full = { accepting: false, pausedAt: 0 };
  const table: readonly [string, readonly Partial<OriginState>[], number, boolean][] = [
    ["nobody could do it", [], 30, false],
    ["it takes jobs", [{}], 30, false],
    ["a moment ago it did", [full], 29, false],
    ["long ago it did", [full], 30, true],
    ["another one takes jobs", [full, {}], 30, false],
    ["another one took jobs a moment ago", [full, { ...full, pausedAt: 1 }], 30, false],
    ["another one is drained", [full, { drained: true }], 30, true],
    ["another one is leaving", [full, { leaving: true }], 30, true],
    ["another one is for another system", [full, { systems: ["aarch64-linux"] }], 30, true],
  ];
  for (const [what, origins, now, is] of table)
    test(what, () => {
      const all = origins.map((more, at) => origin(String(at), more));
      assert.equal(isPaused(git(), all, now, TIMES), is);
    });
});

const trio = (more: Partial<OriginState> = {}) => ["a", "b", "c"].map((name) => origin(name, more));

describe("where it ends first", () => {
  test("the same package comes to the same origin, whatever the order of the list", () => {
    const first = placed([git()], trio());
    assert.equal(placed([git()], trio().toReversed()), first);
    assert.match(first, /^git→[abc]$/);
  });

  test("when an origin goes, only its own packages move", () => {
    const names = Array.from({ length: 200 }, (_, n) => `p${n}`);
    const at = (origins: OriginState[]): string[] =>
      names.map((name) => placed([entry(packageItem(name))], origins).split("→")[1] ?? "");
    const before = at(trio());
    const after = at(trio().filter(({ name }) => name !== "b"));
    for (const [n, name] of before.entries()) if (name !== "b") assert.equal(after[n], name);
    const shares = ["a", "b", "c"].map((name) => before.filter((each) => each === name).length);
    assert.ok(Math.min(...shares) > 40, `shares ${shares.join()}`);
  });

  test("rather one that holds the revision than a home that does not", () => {
    const [first = ""] = placed([git()], trio()).split("→").slice(1);
    const origins = trio().map((each) => (each.name === first ? origin(first, cold) : each));
    assert.equal(placed([git()], origins).endsWith(`→${first}`), false);
    assert.equal(placed([git()], [origin(first, cold)]), `git→${first}`);
  });

  test("rather an idle one than a busy home", () => {
    const [first = ""] = placed([git()], trio({ slots: 4 }))
      .split("→")
      .slice(1);
    const busy = { slots: 4, held: { tags: 0, packages: 3 } };
    const origins = trio({ slots: 4 }).map((each) =>
      each.name === first ? origin(first, busy) : each,
    );
    assert.equal(placed([git()], origins).endsWith(`→${first}`), false);
  });

  test("a request spreads over origins that hold the revision, four at most", () => {
    const names = Array.from({ length: 12 }, (_, n) => `p${n}`);
    const many = Array.from({ length: 8 }, (_, n) => origin(`o${n}`));
    const jobs = place(request("x", names), many, 0);
    assert.equal(jobs.length, 4);
    assert.deepEqual(
      jobs.flatMap(({ entries }) => entries.map(({ key }) => key)).sort(),
      names.toSorted(),
    );
    for (const { entries } of jobs) assert.ok(entries.length >= 2 && entries.length <= 4);
  });

  test("two packages share one evaluation where another one is far dearer", () => {
    assert.equal(placed(request("x", ["git", "jq"]), [origin("a"), origin("b", cold)]), "git,jq→a");
    assert.equal(placed(request("x", ["git", "jq"]), [origin("a")]), "git,jq→a");
  });

  test("another origin than those that began it, while there is one", () => {
    const tried = git({ attempts: 1, tried: new Set(["a"]) });
    assert.equal(placed([tried], [origin("a"), origin("b")]), "git→b");
    const busy = origin("b", { held: { tags: 0, packages: 1 } });
    assert.equal(placed([tried], [origin("a"), busy]), "", "it waits for the other one");
    assert.equal(placed([tried], [origin("a"), origin("b", { connected: false })]), "git→a");
  });

  test("not the one that is avoided, until it may", () => {
    const avoiding = git({ attempts: 1, tried: new Set(["a"]), avoid: new Map([["a", 9]]) });
    assert.equal(placed([avoiding], [origin("a")], 8), "");
    assert.equal(placed([avoiding], [origin("a")], 9), "git→a");
  });
});
