/** What of an item outlives the Farm object's memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { entryOf, rowOf } from "../../../../edge/farm/jobs/entry-rows.ts";
import type { Entry, Want } from "../../../../edge/farm/schedule/state.ts";
import { wantKey } from "../../../../edge/farm/schedule/state.ts";
import { packageItem, TIMES } from "../schedule/farm.ts";

const wants = (...all: readonly Want[]): Map<string, Want> =>
  new Map(all.map((want) => [wantKey(want), want]));
const pull = { build: "one", client: "x", purpose: "waiting" } as const;
const warm = { build: "two", client: "", purpose: "background" } as const;

test("everything but how long it is wanted, and that it could not be stored: that begins anew", () => {
  const entry: Entry = {
    key: "git",
    item: packageItem("git"),
    request: "one",
    queuedAt: 7,
    wants: wants({ ...pull, until: 10 }, { ...warm, until: 20 }),
    job: "j",
    attempts: 2,
    tried: new Set(["a", "b"]),
    avoid: new Map([["a", 99]]),
    lacking: new Set(["c"]),
    features: new Set(["kvm"]),
    owners: new Set(["acme"]),
    losses: 1,
    trouble: "origin a: the disk is full",
    unstoredUntil: 50,
  };
  const { wanted, queue } = TIMES;
  assert.deepEqual(entryOf("git", JSON.stringify(rowOf(entry)), TIMES, 1_000), {
    ...entry,
    wants: wants({ ...pull, until: 1_000 + wanted }, { ...warm, until: 1_000 + queue }),
    unstoredUntil: 0,
  });
});
