/** What the farm does with its queue, with origins on real sockets and clients that come and go. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import type { Socket } from "node:net";
import { afterEach, describe, test, type TestContext } from "node:test";
import type { Item } from "../../../../edge/contract/items.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, type FarmOptions, startFarm } from "../farm-edge.ts";
import {
  configured,
  failure,
  gate,
  honest,
  originKeys,
  startOrigin,
  type TestRun,
} from "../origins.ts";
import { hello, rawOrigin, welcomed } from "../raw-origin.ts";
import { packageItems } from "../records.ts";

let edge: FarmEdge;
afterEach(() => edge.stop());

async function start(
  times: FarmOptions["times"] = {},
  vars: FarmOptions["vars"] = {},
): Promise<void> {
  edge = await startFarm({ times, vars: { ORIGINS: originKeys("a", "b", "c"), ...vars } });
}

const ask = (name: string, client: string | null = null) =>
  edge.ask(packageItems([name]), 55_000, { client });

/** How many items wait for an origin. */
async function queued(): Promise<number> {
  const { queued: lanes } = (await edge.farm("overview")) as { queued: { packages: number } };
  return lanes.packages;
}

async function connected(t: TestContext, name: string, run: TestRun, slots = 1) {
  const origin = startOrigin(t, edge, name, { run, hello: { slots } });
  await origin.reached("connected");
  return origin;
}

/** An origin of one slot whose first job lasts until `open`. */
async function busy(t: TestContext, name: string) {
  const { opened, open } = gate();
  const origin = await connected(
    t,
    name,
    async (items, context) => (await opened, honest(edge)(items, context)),
  );
  const first = ask("first");
  await origin.begun(1);
  return { origin, first, open };
}

/**
 * A client that waits for items until it hangs up, by a reset: workerd by itself hears of no other
 * end of a connection on which it has nothing to write.
 */
async function clientOf(items: readonly Item[]): Promise<{ hangUp(): void }> {
  const sent = request(new URL("/ask", edge.url), { method: "POST" });
  sent.on("error", () => undefined);
  sent.end(
    JSON.stringify({ items, waitMs: 55_000, client: null, purpose: "waiting", regions: [] }),
  );
  const [socket] = (await once(sent, "socket")) as [Socket];
  return { hangUp: () => socket.resetAndDestroy() };
}

test("what a client that hung up waited for is dropped, unless another waits too", async (t) => {
  await start({ wanted: 3_000, recheck: 500, slice: 1_000 });
  const { origin, first, open } = await busy(t, "a");
  const client = await clientOf(packageItems(["left"]));
  const stays = ask("stays");
  await until("both wait", async () => (await queued()) === 2);
  client.hangUp();
  await until("one is dropped", async () => (await queued()) === 1);
  open();
  for (const answer of await Promise.all([first, stays])) assert.equal(answer.state, "done");
  assert.deepEqual(origin.names(), [["first"], ["stays"]]);
});

test("while an item waits, the farm looks every minute whether somebody still wants it", async () => {
  const never = 10 * 60_000;
  await start({ hello: never, recheck: never });
  const full = await welcomed(edge, "a");
  full.say({ type: "status", accepting: false });
  await edge.logged("origin.status");
  const waiting = ask("late");
  await until("it waits", async () => (await queued()) === 1);
  const at = (await edge.farm("alarmAt")) as number | null;
  assert.ok(at !== null && at <= Date.now() + 60_000, `the alarm rings at ${at}`);
  full.say({ type: "status", accepting: true });
  const { job } = await full.heard("job");
  const failure = { reason: "unknown", message: "there is no package late" };
  full.say({ type: "failed", job, failure });
  assert.equal((await waiting).state, "done");
  full.cut();
});

test("an item under which two origins are lost is in quarantine, and a third one is spared", async (t) => {
  await start({ reconnect: 300 });
  const a = await rawOrigin(edge, "a");
  a.say(hello);
  await a.heard("welcome");
  const waiting = ask("killer");
  a.say({ type: "accepted", job: (await a.heard("job")).job });
  const b = await rawOrigin(edge, "b");
  b.say(hello);
  await b.heard("welcome");
  a.cut();
  b.say({ type: "accepted", job: (await b.heard("job")).job });
  const spared = await connected(t, "c", honest(edge));
  b.cut();
  const quarantined = {
    state: "done",
    results: [
      failure(
        "error",
        "2 origins were lost while they worked on it, so it is not tried again for a while",
      ),
    ],
  };
  assert.deepEqual(await waiting, quarantined);
  assert.deepEqual(await ask("killer", "another client"), quarantined);
  assert.equal((await ask("harmless")).state, "done");
  assert.deepEqual(spared.names(), [["harmless"]]);
  assert.equal((await edge.logged("item.quarantine")).length, 1);
});

test("connections that are lost before a job is accepted put no item into quarantine", async (t) => {
  await start({ avoid: 100 });
  let waiting: Promise<unknown> | undefined;
  for (let time = 0; time < 2; time += 1) {
    const a = await rawOrigin(edge, "a");
    a.say(hello);
    await a.heard("welcome");
    waiting ??= ask("harmless");
    await a.heard("job");
    a.cut();
  }
  await connected(t, "a", honest(edge));
  assert.deepEqual((await waiting) as object, await ask("harmless"));
  assert.deepEqual(edge.events("item.quarantine"), []);
});

describe("an origin that keeps failing", () => {
  test("is given nothing after three jobs, and another one does its items", async (t) => {
    await start({ avoid: 100 });
    const { origin: good, first, open } = await busy(t, "a");
    const bad = await connected(t, "b", () => Promise.reject(new Error("the disk is full")), 2);
    const waiting = [first];
    for (const [n, name] of ["one", "two", "three"].entries()) {
      waiting.push(ask(name));
      await bad.begun(n + 1);
      await edge.logged("job.trouble", n + 1);
    }
    assert.equal((await edge.logged("origin.rested"))[0]?.["origin"], "b");
    waiting.push(ask("four"));
    await until("four items wait", async () => (await queued()) === 4);
    open();
    for (const answer of await Promise.all(waiting)) assert.equal(answer.state, "done");
    assert.equal(bad.jobs.length, 3);
    assert.equal(good.jobs.length, 5);
  });

  test("is tried with one job, whatever its slots, and is well again when that is done", async (t) => {
    await start();
    const gates = [gate(), gate()];
    let jobs = 0;
    const origin = await connected(
      t,
      "a",
      async (items, context) => {
        await (jobs++ === 0 ? gates[0] : gates[1])?.opened;
        return honest(edge)(items, context);
      },
      2,
    );
    await edge.farm("rest", "a", 0);
    const waiting = ["one", "two", "three"].map((name) => ask(name));
    await origin.begun(1);
    await until("two items wait", async () => (await queued()) === 2);
    assert.equal(origin.jobs.length, 1);
    gates[0]?.open();
    await origin.begun(3);
    gates[1]?.open();
    for (const answer of await Promise.all(waiting)) assert.equal(answer.state, "done");
  });
});

test("forty images of one client: another one's is built after its turn, not after all", async (t) => {
  await start();
  const { origin, first, open } = await busy(t, "a");
  const flood = Array.from({ length: 40 }, (_, n) => ask(`flood-${n}`, "flood"));
  await until("the flood waits", async () => (await queued()) === 40);
  const other = ask("other", "other");
  await until("the other one waits", async () => (await queued()) === 41);
  open();
  for (const answer of await Promise.all([first, other, ...flood]))
    assert.equal(answer.state, "done");
  const at = origin.names().findIndex(([name]) => name === "other");
  // A turn is worth 16 packages.
  assert.ok(at > 0 && at <= 17, `it was job ${at} of ${origin.jobs.length}`);
});

test("the farm loses its memory with 100 items queued: each is built once, all are told", async (t) => {
  await start();
  const { origin, first, open } = await busy(t, "a");
  const requests = Array.from({ length: 10 }, (_, client) =>
    packageItems(Array.from({ length: 10 }, (__, n) => `p-${client}-${n}`)),
  );
  const answers = requests.map((items, n) => edge.ask(items, 55_000, { client: `client ${n}` }));
  await until("100 items wait", async () => (await queued()) === 100);
  await edge.evictFarm("hibernate");
  assert.equal(await queued(), 100);
  open();
  for (const answer of await Promise.all([first, ...answers])) assert.equal(answer.state, "done");
  const built = origin.names().flat();
  assert.deepEqual(
    built.toSorted(),
    ["first", ...requests.flat().map(({ name }) => name)].toSorted(),
  );
  assert.equal(await queued(), 0);
});

/** A part of ORIGINS. */
const ofOwner = (owner: string, ...names: string[]): object =>
  JSON.parse(configured(names, { owner })) as object;

test("two owners must agree: the busy second one is waited for, not the first's spare", async (t) => {
  const ORIGINS = JSON.stringify({ ...ofOwner("x", "a", "b"), ...ofOwner("y", "c") });
  await start({}, { ORIGINS, AGREE: "2" });
  const { origin: c, first, open } = await busy(t, "c");
  const a = await connected(t, "a", honest(edge));
  const b = await connected(t, "b", honest(edge));
  const timesMade = (): number =>
    [...a.names(), ...b.names()].flat().filter((name) => name === "git").length;
  const answer = ask("git");
  await until("it was made and waits", async () => timesMade() === 1 && (await queued()) === 1);
  open();
  for (const { state } of await Promise.all([first, answer])) assert.equal(state, "done");
  assert.equal(timesMade(), 1);
  assert.deepEqual(c.names(), [["first"], ["git"]]);
});
