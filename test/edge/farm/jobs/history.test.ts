/** What a farm remembers for operators: over the loss of its memory, and not without end. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { FarmOverview } from "../../../../edge/farm/overview.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { configured, failure, honest, startOrigin } from "../origins.ts";
import { hello, rawOrigin } from "../raw-origin.ts";
import { packageItems } from "../records.ts";

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({
    vars: { ORIGINS: configured(["a", "b"]) },
    times: { avoid: 50, reconnect: 300 },
  });
});
after(() => edge.stop());

const overview = async (): Promise<FarmOverview> => (await edge.farm("overview")) as FarmOverview;
const tag = (name: string) => ({ kind: "tag", packageSet: "starter", tag: name }) as const;

test("what is not taken into the queue is not counted", async () => {
  assert.deepEqual(await edge.ask([tag("early")]), { state: "no-origin" });
  const { failures, tally } = await overview();
  assert.deepEqual([failures, tally.items], [[], []]);
});

test("lost attempts, items and seconds are counted, and kept when the farm's memory goes", async (t) => {
  let attempts = 0;
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) =>
      items.some((item) => item.kind === "package" && item.name === "unlucky") && ++attempts === 1
        ? items.map(() => failure("error", "the disk is gone"))
        : honest(edge)(items, context),
  });
  await origin.reached("connected");
  assert.equal((await edge.ask(packageItems(["unlucky"]))).state, "done");
  assert.equal((await edge.ask(packageItems(["broken"]))).state, "done");
  const first = await overview();
  assert.deepEqual(first.tally.items, [
    { kind: "package", result: "done", count: 1 },
    { kind: "package", result: "failed", count: 1 },
  ]);
  assert.equal(first.tally.attemptsLost, 1);
  assert.equal(first.tally.jobs.packages.count, 3);
  assert.equal(first.tally.jobs.tags.count, 0);
  const [, lost] = first.failures;
  assert.equal(lost?.origin, "a");
  assert.equal(lost?.items[0]?.result, "lost");
  assert.match(lost?.items[0]?.message ?? "", /the disk is gone/);

  await edge.evictFarm("hibernate");
  const { tally, builds, failures } = await overview();
  assert.deepEqual([tally, builds, failures], [first.tally, first.builds, first.failures]);
});

test("an origin that is lost has lost its attempt, and what nobody can do then is a failure", async () => {
  const origin = await rawOrigin(edge, "b");
  origin.say(hello);
  await origin.heard("welcome");
  const before = (await overview()).tally.attemptsLost;
  const answer = edge.ask(packageItems(["orphan"]));
  const { job } = await origin.heard("job");
  origin.say({ type: "accepted", job });
  origin.cut();
  assert.deepEqual(await answer, { state: "no-origin" });
  const { failures, tally } = await overview();
  assert.equal(tally.attemptsLost, before + 1);
  const [ended, lost] = failures;
  assert.deepEqual([ended?.origin, ended?.items[0]?.result], [null, "no-origin"]);
  assert.match(ended?.items[0]?.message ?? "", /the connection to origin b was lost/);
  assert.deepEqual([lost?.origin, lost?.items[0]?.result], ["b", "lost"]);
});

test("what no origin is left for ends together, for all that was asked together", async () => {
  const origin = await rawOrigin(edge, "b");
  origin.say(hello);
  await origin.heard("welcome");
  origin.say({ type: "status", accepting: false });
  await edge.logged("origin.status");
  const answer = edge.ask(packageItems(["one", "two", "three"]));
  await until("three wait", async () => (await overview()).queued.packages === 3);
  origin.cut();
  assert.deepEqual(await answer, { state: "no-origin" });
  const { failures } = await overview();
  assert.deepEqual(
    failures[0]?.items.map(({ name, result }) => `${name}: ${result}`),
    ["one: no-origin", "two: no-origin", "three: no-origin"],
  );
});

test("the latest jobs are remembered, so many that made everything and so many of the others", async (t) => {
  const origin = startOrigin(t, edge, "b");
  await origin.reached("connected");
  const total = 75;
  for (let at = 0; at < total; at++) {
    assert.equal((await edge.ask([tag(`t${at}`)])).state, "done");
    if (at === 10) await edge.ask([tag("nowhere")]);
  }
  const { builds, failures } = await overview();
  assert.ok(builds.length >= 50 && builds.length < 70, `${builds.length} are remembered`);
  assert.equal(builds[0]?.items[0]?.name, `t${total - 1}`, "newest first");
  assert.equal(builds[49]?.items[0]?.name, `t${total - 50}`);
  assert.deepEqual(failures[0]?.items[0], {
    kind: "tag",
    name: "nowhere",
    system: null,
    result: "unknown",
    message: "there is no tag nowhere",
  });
});
