/** Message by message: what the farm takes from an origin, what it does not, and what it says. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { CLOSE, EDGE_PROTOCOL } from "../../../edge/contract/messages.ts";
import type { FarmOverview } from "../../../edge/farm/overview.ts";
import { until } from "../../harness/until.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { originKeys, startOrigin } from "./origins.ts";
import { hello, rawOrigin, welcomed } from "./raw-origin.ts";
import { signOf } from "./keys.ts";
import { packageItems, packageResult, REVISION, statedPackage, tagItems } from "./records.ts";

/** No test waits for this, ms. */
const NEVER = 10 * 60_000;

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({
    // Tests that need the end of the first two have it come (lapse).
    times: { hello: NEVER, reconnect: NEVER, accept: NEVER, avoid: 200 },
    vars: { ORIGINS: originKeys("a", "b"), ZSTD: "on" },
  });
});
after(() => edge.stop());

let tags = 0;
/** A tag that no other test asks for. */
const freshTag = (): string => `t${++tags}`;
const resolved = (job: string): object => ({
  type: "done",
  job,
  results: [{ kind: "revision", revision: REVISION }],
});
const attemptsLost = async (): Promise<number> =>
  ((await edge.farm("overview")) as FarmOverview).tally.attemptsLost;
/** Resolves when the farm has noticed that the origin's connection is gone. */
const missed = (name: string): Promise<unknown> =>
  until(`the farm misses ${name}`, async () => {
    const { origins } = (await edge.farm("overview")) as FarmOverview;
    return origins.some((origin) => origin.name === name && !origin.connected);
  });

/** Resolves when the farm knows that the origin takes no jobs. */
const pausedAtFarm = (name: string): Promise<unknown> =>
  until(`the farm knows that ${name} takes no jobs`, async () => {
    const { origins } = (await edge.farm("overview")) as FarmOverview;
    return origins.some((origin) => origin.name === name && origin.reason !== null);
  });

/** Its name would be said back, and logged. */
const endlessJob = { type: "done", job: "j".repeat(100_000), results: [] };

describe("messages that close the socket", () => {
  const table: readonly [string, (object | string)[], number][] = [
    ["something before hello", [{ type: "bye" }], CLOSE.protocol],
    ["hello twice", [hello, hello], CLOSE.protocol],
    ["no JSON", [hello, "ping?"], CLOSE.protocol],
    ["an unknown message", [hello, { type: "welcome" }], CLOSE.protocol],
    ["a hello without slots", [{ ...hello, slots: 0 }], CLOSE.protocol],
    ["a tag that can be none", [hello, { type: "tags", tags: ["../x"] }], CLOSE.protocol],
    ["results of a job whose name is too long", [hello, endlessJob], CLOSE.protocol],
    [
      "more tags than may be listed",
      [hello, { type: "tags", tags: Array.from({ length: 2_001 }, (_, at) => `v${at}`) }],
      CLOSE.protocol,
    ],
    ["another protocol", [{ ...hello, protocol: 1 }], CLOSE.mismatch],
    [
      "another package set",
      [{ ...hello, packageSet: { id: "path", label: "starter" } }],
      CLOSE.mismatch,
    ],
    [
      "a package set whose name is longer in bytes than a reason may be",
      [{ ...hello, packageSet: { id: "path", label: "ü".repeat(200) } }],
      CLOSE.mismatch,
    ],
    [
      "another package set of the same kind",
      [{ ...hello, packageSet: { id: "starter", label: "starter:other" } }],
      CLOSE.mismatch,
    ],
  ];
  for (const [what, messages, code] of table) {
    test(what, async () => {
      const origin = await rawOrigin(edge, "a");
      for (const [at, message] of messages.entries()) {
        origin.say(message);
        if (message === hello && messages.indexOf(message) === at) await origin.heard("welcome");
      }
      assert.equal(await origin.closed(), code);
    });
  }
});

test("a message of bytes closes the socket", async () => {
  const origin = await rawOrigin(edge, "a");
  origin.say(Buffer.from(JSON.stringify(hello)));
  assert.equal(await origin.closed(), CLOSE.protocol);
  assert.equal(await origin.closedBecause(), "messages are text");
});

test("who says no hello in time is closed, whatever its pings; who said it stays", async () => {
  const talks = await welcomed(edge, "a");
  const mute = await rawOrigin(edge, "b");
  await mute.ping();
  await edge.lapse("hello");
  assert.equal(await mute.closed(), CLOSE.lost);
  assert.match(await mute.closedBecause(), /^no hello within/);
  const answer = edge.ask(tagItems(freshTag()));
  talks.say(resolved((await talks.heard("job")).job));
  assert.equal((await answer).state, "done");
  await talks.leave();
});

describe("a job", () => {
  test("welcome says who it is and whether zstd is wanted; the result is confirmed", async () => {
    const origin = await rawOrigin(edge, "a");
    origin.say(hello);
    assert.deepEqual(await origin.heard("welcome"), {
      type: "welcome",
      protocol: EDGE_PROTOCOL,
      origin: "a",
      zstd: true,
    });
    const items = tagItems(freshTag());
    const answer = edge.ask(items);
    const { job, items: given } = await origin.heard("job");
    assert.deepEqual(given, items);
    origin.say({ type: "accepted", job });
    origin.say({ type: "log", job, first: 0, lines: ["evaluating"] });
    origin.say(resolved(job));
    assert.deepEqual(await origin.heard("settled"), { type: "settled", job });
    assert.equal((await answer).state, "done");
    origin.say(resolved(job));
    assert.deepEqual(
      await origin.heard("settled"),
      { type: "settled", job },
      "what is settled already may be forgotten too",
    );
    await origin.leave();
  });

  test("a connection cut: the job goes to another origin, the first is told to stop", async (t) => {
    const lost = await welcomed(edge, "a");
    const answer = edge.ask(tagItems(freshTag()));
    const { job } = await lost.heard("job");
    lost.say({ type: "accepted", job });
    const other = startOrigin(t, edge, "b");
    await other.reached("connected");
    lost.cut();
    await missed("a");
    await edge.lapse("reconnect");
    assert.equal((await answer).state, "done");
    assert.equal(other.jobs.length, 1);
    const back = await welcomed(edge, "a", { running: [job] });
    assert.deepEqual(await back.heard("cancel"), { type: "cancel", job });
    await back.leave();
  });

  test("an origin that says bye and goes is not waited for: its job goes to another one", async () => {
    const leaving = await welcomed(edge, "a");
    const answer = edge.ask(tagItems(freshTag()));
    leaving.say({ type: "accepted", job: (await leaving.heard("job")).job });
    const other = await welcomed(edge, "b");
    await leaving.leave();
    other.say(resolved((await other.heard("job")).job));
    assert.equal((await answer).state, "done");
    await other.leave();
  });

  test("an origin back in time keeps its job; one back without it is given it again", async () => {
    const first = await welcomed(edge, "a");
    const answer = edge.ask(tagItems(freshTag()));
    const { job } = await first.heard("job");
    first.cut();
    const second = await welcomed(edge, "a");
    const again = await second.heard("job");
    assert.notEqual(again.job, job, "late results of the first are not its results");
    second.say({ type: "accepted", job: again.job });
    second.cut();
    const third = await welcomed(edge, "a", { running: [again.job] });
    third.say(resolved(again.job));
    assert.equal((await answer).state, "done");
    await third.leave();
  });

  test("an origin back after its lease keeps a job that nobody else has by then", async () => {
    const names = [`busy${freshTag()}`, `kept${freshTag()}`] as const;
    const made = async (name: string, job: string, by: string): Promise<object> => {
      const results = [packageResult(await statedPackage(edge, name), signOf(by))];
      return { type: "done", job, results };
    };
    const busy = await welcomed(edge, "b", { slots: 1 });
    const answers = [edge.ask(packageItems([names[0]]))];
    const { job: other } = await busy.heard("job");
    const lost = await welcomed(edge, "a");
    answers.push(edge.ask(packageItems([names[1]])));
    const { job } = await lost.heard("job");
    lost.say({ type: "accepted", job });
    lost.cut();
    await missed("a");
    await edge.lapse("reconnect");
    const back = await welcomed(edge, "a", { running: [job] });
    const { origins } = (await edge.farm("overview")) as FarmOverview;
    assert.equal(origins.find(({ name }) => name === "a")?.jobs.packages, 1);
    back.say(await made(names[1], job, "a"));
    busy.say(await made(names[0], other, "b"));
    for (const { state } of await Promise.all(answers)) assert.equal(state, "done");
    for (const origin of [back, busy]) await origin.leave();
  });

  test("a job not accepted in time goes to another; a late result changes nothing", async (t) => {
    const deaf = await welcomed(edge, "a");
    const answer = edge.ask(tagItems(freshTag()));
    const { job } = await deaf.heard("job");
    const other = startOrigin(t, edge, "b");
    await other.reached("connected");
    await edge.lapse("accept");
    assert.equal((await answer).state, "done");
    assert.equal(other.jobs.length, 1);
    assert.equal((await deaf.heard("cancel")).job, job);
    deaf.say(resolved(job));
    assert.equal((await deaf.heard("settled")).job, job);
    await deaf.leave();
  });

  test("a result after the lease expired is taken, and the other origin told to stop", async () => {
    const slow = await welcomed(edge, "a");
    const name = `late${freshTag()}`;
    const answer = edge.ask(packageItems([name]));
    const { job } = await slow.heard("job");
    const other = await welcomed(edge, "b");
    await edge.lapse("accept");
    const { job: second } = await other.heard("job");
    slow.say({
      type: "done",
      job,
      results: [packageResult(await statedPackage(edge, name), signOf("a"))],
    });
    assert.equal((await answer).state, "done");
    assert.equal((await other.heard("cancel")).job, second);
    for (const origin of [slow, other]) await origin.leave();
  });

  test("a result that the schema refuses counts as an attempt, and the connection stays", async (t) => {
    const wrong = await welcomed(edge, "a");
    const before = await attemptsLost();
    const answer = edge.ask(tagItems(freshTag()));
    const { job } = await wrong.heard("job");
    wrong.say({ type: "accepted", job });
    const other = startOrigin(t, edge, "b");
    await other.reached("connected");
    wrong.say({ type: "done", job, results: [{ kind: "revision", revision: "main" }] });
    assert.equal((await wrong.heard("settled")).job, job);
    assert.equal((await answer).state, "done");
    assert.equal(await attemptsLost(), before + 1);
    assert.equal(other.jobs.length, 1);
    await wrong.leave();
  });

  test("nobody says anything of a job that another one holds", async () => {
    const holder = await welcomed(edge, "a");
    const answer = edge.ask(tagItems(freshTag()));
    const { job } = await holder.heard("job");
    holder.say({ type: "accepted", job });
    const meddler = await welcomed(edge, "b");
    meddler.say({ type: "refused", job, message: "mine" });
    meddler.say({ type: "failed", job, failure: { reason: "error", message: "mine" } });
    await meddler.heard("settled");
    holder.say(resolved(job));
    assert.deepEqual(await answer, {
      state: "done",
      results: [{ kind: "revision", revision: REVISION }],
    });
    for (const origin of [holder, meddler]) await origin.leave();
  });
});

test("an origin that takes no jobs gets none until it says otherwise; what it has goes on", async () => {
  const full = await welcomed(edge, "a");
  const items = tagItems(freshTag());
  const first = edge.ask(items);
  const { job } = await full.heard("job");
  full.say({ type: "accepted", job });
  full.say({ type: "status", accepting: false, reason: "the disk is full", freeBytes: 1 });
  await pausedAtFarm("a");
  const waiting = tagItems(freshTag());
  assert.deepEqual(await edge.ask(waiting, 500), { state: "building" });
  full.say(resolved(job));
  assert.equal((await first).state, "done");
  full.say({ type: "status", accepting: true });
  const next = await full.heard("job");
  assert.deepEqual(next.items, waiting);
  await full.leave();
});

test("when no origin takes jobs for a while, who waits is told so; then it is asked again", async () => {
  const full = await welcomed(edge, "a");
  full.say({ type: "status", accepting: false, reason: "the disk is full", freeBytes: 1 });
  await pausedAtFarm("a");
  const items = tagItems(freshTag());
  let answered: unknown;
  const waiting = edge.ask(items).then((answer) => (answered = answer));
  await until("the wait for a paused origin ends", async () => {
    await edge.lapse("paused");
    return answered;
  });
  assert.deepEqual(await waiting, { state: "paused" });
  const next = edge.ask(items);
  full.say({ type: "status", accepting: true });
  const { job } = await full.heard("job");
  full.say(resolved(job));
  assert.equal((await next).state, "done");
  await full.leave();
});

test("a revoked origin loses its connection at once, and gets none, until it is reinstated", async () => {
  const origin = await welcomed(edge, "a");
  assert.equal(await edge.farm("revoke", "a"), true);
  assert.equal(await origin.closed(), CLOSE.unauthorized);
  await assert.rejects(rawOrigin(edge, "a"), /401/);
  assert.equal(await edge.farm("reinstate", "a"), true);
  const back = await welcomed(edge, "a");
  await back.leave();
});

test("an origin does not end its rest by coming back", async () => {
  const origin = await welcomed(edge, "a");
  assert.equal(await edge.farm("rest", "a", NEVER), true);
  origin.cut();
  const back = await welcomed(edge, "a");
  const { origins } = (await edge.farm("overview")) as FarmOverview;
  const seen = origins.find(({ name }) => name === "a");
  assert.deepEqual([seen?.state, seen?.onTrial], ["rested", true]);
  await edge.farm("rest", "a", 0);
  const answer = edge.ask(tagItems(freshTag()));
  back.say(resolved((await back.heard("job")).job));
  assert.equal((await answer).state, "done");
  await back.leave();
});

test("a drained origin gets no jobs, also when it comes back, until that is taken back", async () => {
  const origin = await welcomed(edge, "a");
  assert.equal(await edge.farm("drain", "a"), true);
  const items = tagItems(freshTag());
  assert.deepEqual(await edge.ask(items), { state: "no-origin" });
  origin.cut();
  const back = await welcomed(edge, "a");
  assert.deepEqual(await edge.ask(items), { state: "no-origin" });
  assert.equal(await edge.farm("drain", "a", false), true);
  const answer = edge.ask(items);
  const { job } = await back.heard("job");
  back.say(resolved(job));
  assert.equal((await answer).state, "done");
  const { origins } = (await edge.farm("overview")) as { origins: { name: string }[] };
  assert.ok(origins.some(({ name }) => name === "a"));
  await back.leave();
});
