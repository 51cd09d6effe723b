/** The state of an origin in a word, as operators see it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { OriginFacts } from "../../../edge/farm/origins/origin-facts.ts";
import { stateOf } from "../../../edge/farm/origins/origin-facts.ts";
import { type Seen, viewOf } from "../../../edge/farm/overview.ts";

const NOW = 1_000_000;
const FACTS: OriginFacts = {
  name: "a",
  connection: "c",
  systems: ["x86_64-linux"],
  features: ["kvm"],
  slots: 2,
  version: "1",
  nix: "2",
  sandbox: true,
  revisions: [],
  accepting: true,
  leaving: false,
  gone: null,
  failures: 0,
  restUntil: 0,
  onTrial: false,
};
const SEEN: Seen = { now: NOW, reconnect: 10_000, revoked: false, drained: false };

const view = (facts: Partial<OriginFacts>, seen: Partial<Seen> = {}) => {
  const all = { ...FACTS, ...facts };
  const state = stateOf(all, undefined, { drained: false, seen: all.gone ?? NOW - 3 });
  return viewOf(all, state, { ...SEEN, ...seen });
};

test("the strongest word wins", () => {
  const full = { accepting: false, reason: "the disk is full" };
  const rested = { restUntil: NOW + 1 };
  for (const [facts, seen, word] of [
    [{}, {}, "connected"],
    [{ restUntil: NOW }, {}, "connected"],
    [rested, {}, "rested"],
    [{ ...rested, ...full }, {}, "full"],
    [{ ...full, leaving: true }, {}, "leaving"],
    [{ leaving: true, gone: NOW - 9_999 }, {}, "waiting"],
    [{ gone: NOW - 10_000 }, {}, "gone"],
    [{ gone: NOW - 10_000 }, { drained: true }, "drained"],
    [{}, { drained: true, revoked: true }, "revoked"],
  ] as const)
    assert.equal(view(facts, seen).state, word, JSON.stringify([facts, seen]));
});

test("why, since when and for how long", () => {
  const full = view({ accepting: false, reason: "the disk is full", restUntil: NOW - 1 });
  assert.deepEqual([full.reason, full.restUntil, full.seen], ["the disk is full", null, NOW - 3]);
  const rested = view({ restUntil: NOW + 5, reason: "of before" });
  assert.deepEqual([rested.reason, rested.restUntil], [null, NOW + 5]);
  const gone = view({ gone: NOW - 70_000 });
  assert.deepEqual([gone.connected, gone.seen], [false, NOW - 70_000]);
});
