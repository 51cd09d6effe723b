/**
 * What the farm does when origins, connections, objects or the whole edge go away, and when an
 * origin is wrong.
 */
import assert from "node:assert/strict";
import { afterEach, describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../../../edge/farm/builds/answer.ts";
import type { Times } from "../../../edge/farm/limits.ts";
import type { FarmOverview } from "../../../edge/farm/overview.ts";
import { packagePath, tagPath } from "../../../edge/contract/keys.ts";
import { CLOSE } from "../../../edge/contract/messages.ts";
import { type FarmEdge, type FarmOptions, startFarm } from "./farm-edge.ts";
import { until } from "../../harness/until.ts";
import { failure, gate, honest, originKeys, startOrigin, type TestRun } from "./origins.ts";
import { signOf } from "./keys.ts";
import { generateOriginKey } from "../../../origin/channel/index.ts";
import { hello, rawOrigin, welcomed } from "./raw-origin.ts";
import {
  packageItems,
  packageRecord,
  packageResult,
  SCOPE,
  statedPackage,
  type StatedPackage,
  tagItems,
} from "./records.ts";

let edge: FarmEdge;
afterEach(() => edge.stop());

/**
 * An edge that knows the origins a, b and c. It is stopped after the origins of the test, so that
 * their drains are heard.
 */
async function start(
  times: Partial<Times> = {},
  vars: FarmOptions["vars"] = {},
): Promise<FarmEdge> {
  edge = await startFarm({ times, vars: { ORIGINS: originKeys("a", "b", "c"), ...vars } });
  return edge;
}

/** No test waits for this, ms. */
const NEVER = 10 * 60_000;

/** ORIGINS in which a has another key, and c is no more. */
function replaced(): string {
  const a = { key: generateOriginKey().publicKey };
  return JSON.stringify({ ...(JSON.parse(originKeys("a", "b")) as object), a });
}

/** A run that never ends by itself, as long as the origin lives. */
const never: TestRun = (_, { signal }) =>
  new Promise((_resolve, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason as Error)),
  );
const troubled: TestRun = () => Promise.reject(new Error("the disk is full"));

const withoutRevision: TestRun = (items) =>
  Promise.resolve(items.map(() => failure("unknown-revision", "this origin keeps it no more")));

/** Throws when the answer comes, since it is too early for one. */
async function failed(answer: Promise<Answer>): Promise<never> {
  throw new Error(`the farm answers ${(await answer).state}`);
}

/** Starts origins and waits until all are connected. */
async function origins(t: TestContext, runs: Readonly<Record<string, TestRun>>, slots = 2) {
  const started = Object.entries(runs).map(([name, run]) =>
    startOrigin(t, edge, name, { run, hello: { slots } }),
  );
  await Promise.all(started.map((origin) => origin.reached("connected")));
  return started;
}

describe("objects that lose their memory", () => {
  test("the farm hibernates while an origin works; the result still reaches those who wait", async (t) => {
    await start();
    const { opened, open } = gate();
    const [origin] = await origins(t, {
      a: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    const answer = edge.ask(packageItems(["git"]));
    await origin?.begun(1);
    await edge.evictFarm("hibernate");
    open();
    assert.equal((await answer).state, "done");
    assert.equal(origin?.state, "connected");
    assert.equal(origin?.jobs.length, 1);
  });

  test("the farm is moved, its sockets dropped: the origin comes back with its job", async (t) => {
    await start();
    const { opened, open } = gate();
    const [origin] = await origins(t, {
      a: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    const answer = edge.ask(packageItems(["git"]));
    await origin?.begun(1);
    const lost = origin?.reached("waiting");
    await edge.evictFarm("close");
    await lost;
    open();
    assert.equal((await answer).state, "done");
    assert.equal(origin?.jobs.length, 1);
  });

  test("the farm is moved, and its origins do not come back: its alarm tells who waits", async () => {
    const never = { hello: NEVER, accept: NEVER, lease: NEVER, recheck: NEVER };
    await start({ ...never, reconnect: 500 });
    const origin = await welcomed(edge, "a");
    const answer = edge.ask(packageItems(["git"]));
    origin.say({ type: "accepted", job: (await origin.heard("job")).job });
    await edge.evictFarm("close");
    await edge.farm("overview");
    assert.deepEqual(await answer, { state: "no-origin" });
  });

  test("an alarm that was set before the farm lost its memory is not put off", async () => {
    await start({ hello: NEVER });
    const [first] = [await rawOrigin(edge, "a")];
    const at = await edge.farm("alarmAt");
    assert.ok(typeof at === "number");
    await edge.evictFarm("hibernate");
    const second = await rawOrigin(edge, "b");
    assert.equal(await edge.farm("alarmAt"), at);
    for (const origin of [first, second]) origin.cut();
  });

  test("a Build object is reset under those who wait on it", async (t) => {
    await start();
    const { opened, open } = gate();
    const [origin] = await origins(t, {
      a: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    const items = packageItems(["git"]);
    const answers = [edge.ask(items), edge.ask(items)];
    await origin?.begun(1);
    await edge.crashBuild(items);
    open();
    for (const answer of await Promise.all(answers)) assert.equal(answer.state, "done");
    assert.equal(origin?.jobs.length, 1);
    assert.equal((await edge.logged("farm.ask.broken", 2)).length, 2);
  });

  test("the edge restarts during a job: it is finished, and who asks again is answered", async (t) => {
    await start();
    const { opened, open } = gate();
    const [origin] = await origins(t, {
      a: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    const lost = edge.ask(packageItems(["git"])).catch(() => undefined);
    await origin?.begun(1);
    await edge.restart();
    assert.equal(await lost, undefined);
    open();
    assert.equal((await edge.ask(packageItems(["git"]))).state, "done");
    assert.equal(origin?.jobs.length, 1);
  });
});

describe("origins that go away", () => {
  test("silence for the lease gives the job to another one, and closes the socket", async (t) => {
    await start({ lease: 4_000 });
    const silent = startOrigin(t, edge, "a", { run: never, pingMs: 60_000 });
    const other = startOrigin(t, edge, "b", { pingMs: 300 });
    await Promise.all([silent.reached("connected"), other.reached("connected")]);
    const dropped = silent.reached("waiting");
    const answer = edge.ask(packageItems(["git"]));
    await silent.begun(1);
    assert.equal((await answer).state, "done");
    assert.equal(other.jobs.length, 1);
    await dropped;
    assert.deepEqual(
      (await edge.logged("job.take-back")).map(({ reason }) => reason),
      ["origin a fell silent"],
    );
  });

  test("an origin that only pings is there, however long ago it said something", async () => {
    const lease = 5_000;
    await start({ lease, hello: 10 * 60_000 });
    const quiet = await rawOrigin(edge, "a");
    quiet.say(hello);
    await quiet.heard("welcome");
    await sleep(lease + 500);
    await quiet.ping();
    const answer = edge.ask(tagItems());
    const { job } = await Promise.race([quiet.heard("job"), failed(answer)]);
    quiet.say({ type: "done", job, results: [{ kind: "revision", revision: SCOPE.revision }] });
    assert.equal((await answer).state, "done");
    quiet.cut();
  });

  test("an origin that stops hands its jobs back, and that is no attempt", async (t) => {
    await start();
    const stopping = await origins(t, { a: never });
    const answer = edge.ask(tagItems());
    await stopping[0]?.begun(1);
    const [b] = await origins(t, { b: honest(edge) });
    await stopping[0]?.drain();
    assert.equal(stopping[0]?.state, "closed");
    assert.equal((await answer).state, "done");
    assert.equal(b?.jobs.length, 1);
    assert.equal(edge.events("job.take-back").length, 0);
    assert.equal(((await edge.farm("overview")) as FarmOverview).tally.attemptsLost, 0);
  });

  test("the only origin goes away for good: those who wait are told that there is none", async (t) => {
    await start({ reconnect: 300 });
    const [a] = await origins(t, { a: never });
    const answer = edge.ask(packageItems(["git"]));
    await a?.begun(1);
    await a?.drain();
    assert.deepEqual(await answer, { state: "no-origin" });
  });

  test("work that comes while the only origin reconnects waits for it", async (t) => {
    await start();
    const [a] = await origins(t, { a: honest(edge) });
    await edge.restart();
    assert.equal((await edge.ask(tagItems())).state, "done");
    assert.equal(a?.jobs.length, 1);
  });

  test("what it came back without goes to another one, while the bucket takes what it announces", async () => {
    await start({ hello: NEVER, reconnect: NEVER, recheck: NEVER });
    const lost = await welcomed(edge, "a");
    const answer = edge.ask(tagItems("main"));
    lost.say({ type: "accepted", job: (await lost.heard("job")).job });
    const other = await welcomed(edge, "b");
    lost.cut();
    await edge.change({ bucketWaits: true });
    const back = await welcomed(edge, "a", {
      revisions: [{ tag: "latest", revision: SCOPE.revision }],
    });
    const { queued } = (await edge.farm("overview")) as FarmOverview;
    assert.equal(queued.tags, 0, "it was given at once");
    const { job } = await other.heard("job");
    await edge.change({ bucketWaits: false });
    other.say({ type: "done", job, results: [{ kind: "revision", revision: SCOPE.revision }] });
    assert.equal((await answer).state, "done");
    for (const origin of [back, other]) origin.cut();
  });

  test("a newer connection of the same name takes the place of the older", async (t) => {
    await start();
    const [old] = await origins(t, { a: honest(edge) });
    const replaced = old?.reached("waiting");
    const [young] = await origins(t, { a: honest(edge) });
    await replaced;
    assert.equal((await edge.ask(tagItems())).state, "done");
    assert.equal(young?.jobs.length, 1);
  });
});

describe("jobs that are not done", () => {
  test("refused for want of a slot: another origin does it", async (t) => {
    await start();
    const full = startOrigin(t, edge, "a", {
      hello: { slots: 9 },
      slots: { total: 0, take: () => undefined } as never,
    });
    await full.reached("connected");
    const answer = edge.ask(packageItems(["git"]));
    const [b] = await origins(t, { b: honest(edge) });
    assert.equal((await answer).state, "done");
    assert.equal(b?.jobs.length, 1);
    await edge.logged("job.refused");
  });

  test("not accepted: the farm's alarm alone gives it to another origin", async (t) => {
    await start({ accept: 1_000, hello: NEVER, lease: NEVER, recheck: NEVER });
    const deaf = await welcomed(edge, "a");
    const answer = edge.ask(tagItems());
    await deaf.heard("job");
    await origins(t, { b: honest(edge) });
    assert.equal((await answer).state, "done");
    await edge.logged("job.take-back");
    deaf.cut();
  });

  test("an origin's own trouble: three attempts, then the client is told, without names", async (t) => {
    // So that the end of what is avoided is what wakes the farm.
    await start({ avoid: 100, accept: NEVER, hello: NEVER, recheck: NEVER });
    const [a, b] = await origins(t, { a: troubled, b: troubled });
    const answer = await edge.ask(tagItems());
    const message = "3 attempts failed; the operator's log says why";
    assert.deepEqual(answer, { state: "done", results: [failure("error", message)] });
    assert.equal(a?.jobs.length, 2);
    assert.equal(b?.jobs.length, 1);
    const [givenUp] = await edge.logged("item.give-up");
    assert.equal(givenUp?.["trouble"], "origin a: the disk is full");
  });

  test("trouble with one package: only that one is tried again", async (t) => {
    await start({ avoid: 100 });
    let first = true;
    const [a] = await origins(t, {
      a: async (items, context) => {
        const results = await honest(edge)(items, context);
        if (!first) return results;
        first = false;
        return [failure("error", "upload broke"), ...results.slice(1)];
      },
    });
    const answer = await edge.ask(packageItems(["curl", "git"]));
    assert.deepEqual(answer.state === "done" && answer.results.map(({ kind }) => kind), [
      "package",
      "package",
    ]);
    assert.deepEqual(a?.names(), [["curl", "git"], ["curl"]]);
  });

  test("the bucket fails when results come: they are sent again, nothing is built twice", async (t) => {
    await start({ lease: 120_000 });
    const [a] = await origins(t, { a: honest(edge) });
    await edge.change({ bucketFails: true });
    const answer = edge.ask(packageItems(["git"]), 55_000);
    await edge.logged("farm.storage", 2);
    assert.equal(a?.state, "connected");
    await edge.change({ bucketFails: false });
    const record = await packageRecord(edge, "git");
    assert.deepEqual(await answer, { state: "done", results: [{ kind: "package", record }] });
    assert.equal(a?.jobs.length, 1);
    assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), record);
    for (const event of ["job.trouble", "job.take-back", "origin.invalid"])
      assert.deepEqual(edge.events(event), []);
  });

  test("the bucket goes on failing: who waits is told, and it is stored when the bucket takes it", async (t) => {
    await start({ lease: 120_000, unstored: 0 });
    const [a] = await origins(t, { a: honest(edge) });
    await edge.change({ bucketFails: true });
    const items = packageItems(["git"]);
    assert.deepEqual(await edge.ask(items, 120_000), { state: "unstored" });
    assert.deepEqual(await edge.ask(items, 1), { state: "unstored" }, "who asks again, at once");
    await edge.change({ bucketFails: false });
    const stored = await until("git is stored", async () => {
      const answer = await edge.ask(items, 120_000);
      return answer.state === "unstored" ? undefined : answer;
    });
    const record = await packageRecord(edge, "git");
    assert.deepEqual(stored, { state: "done", results: [{ kind: "package", record }] });
    assert.equal(a?.jobs.length, 1, "it was made once");
  });

  test("an origin without the revision: another one does it at once, as no attempt", async (t) => {
    await start({ avoid: 50_000 });
    const [a, b] = await origins(t, { a: withoutRevision, b: withoutRevision });
    const missing = edge.ask(packageItems(["git"]));
    assert.deepEqual(await missing, {
      state: "done",
      results: [
        failure(
          "unknown-revision",
          `no connected origin has the revision ${SCOPE.revision} of the package set`,
        ),
      ],
    });
    assert.deepEqual([a?.jobs.length, b?.jobs.length], [1, 1], "each was asked once");

    const [c] = await origins(t, { c: honest(edge) });
    const answer = await edge.ask(packageItems(["curl"]));
    const record = await packageRecord(edge, "curl", "c");
    assert.deepEqual(answer, { state: "done", results: [{ kind: "package", record }] });
    assert.equal(c?.jobs.length, 1);
  });

  test("one client's share is full, another's is not; what is queued may be joined", async (t) => {
    await start({}, { LIMIT_QUEUED: "2" });
    const [a] = await origins(t, { a: never }, 1);
    const waiting = [edge.ask(packageItems(["one"]), 3_000)];
    await a?.begun(1);
    const x = { client: "address x" };
    const full = { state: "queue-full", yours: true, limit: 2 };
    for (const name of ["two", "three"])
      assert.deepEqual(await edge.ask(packageItems([name]), 1, x), { state: "building" });
    assert.deepEqual(await edge.ask(packageItems(["four"]), 1, x), full);
    assert.deepEqual(await edge.ask(packageItems(["four"]), 1, { client: "address y" }), {
      state: "building",
    });
    assert.deepEqual(await edge.ask(packageItems(["four"]), 1, x), { state: "building" });
    // Who has nothing queued may have one request of any length.
    const long = packageItems(["five", "six", "seven"]);
    const z = { client: "address z" };
    assert.deepEqual(await edge.ask(long, 1, z), { state: "building" });
    assert.deepEqual(await edge.ask(packageItems(["eight"]), 1, z), full);
    await a?.drain();
    await Promise.all(waiting);
  });

  test("the queue is full", async (t) => {
    await start({}, { QUEUE_TOTAL: "2" });
    const [a] = await origins(t, { a: never }, 1);
    const waiting = [edge.ask(packageItems(["one"]), 5_000)];
    await a?.begun(1);
    for (const tag of ["two", "three"])
      assert.deepEqual(await edge.ask(packageItems([tag]), 1), { state: "building" });
    assert.deepEqual(await edge.ask(packageItems(["four"])), {
      state: "queue-full",
      yours: false,
      limit: 2,
    });
    await a?.drain();
    await Promise.all(waiting);
  });
});

describe("origins that are wrong", () => {
  /**
   * Changes of an honest record that the bucket shows to be wrong; none may reach it. check-results.test.ts
   * has those that the record itself shows.
   */
  const invalid: readonly [string, (stated: StatedPackage) => StatedPackage, RegExp][] = [
    [
      "a blob that is not there",
      ({ statement, layers }) => ({
        statement: { ...statement, listing: { digest: `sha256:${"0".repeat(64)}`, size: 1 } },
        layers,
      }),
      /is not in the bucket/,
    ],
    [
      "a blob of another size",
      ({ statement: { listing, ...rest }, layers }) => ({
        statement: { ...rest, listing: { ...listing, size: listing.size + 1 } },
        layers,
      }),
      /bytes in the bucket/,
    ],
    [
      "a layer of another size",
      ({ statement, layers: [libc, ...rest] }) => ({
        statement,
        layers: libc === undefined ? [] : [{ ...libc, size: libc.size + 1 }, ...rest],
      }),
      /bytes in the bucket/,
    ],
    [
      "a layer that is not there",
      ({ statement, layers: [libc, ...rest] }) => ({
        statement,
        layers: libc === undefined ? [] : [{ ...libc, digest: libc.diffId }, ...rest],
      }),
      /is not in the bucket/,
    ],
    [
      "a layer that was not made",
      ({ statement, layers }) => ({ statement, layers: layers.slice(1) }),
      /was not made, and there is no record of it/,
    ],
  ];
  for (const [what, change, says] of invalid) {
    test(`${what}: refused, and another origin does it`, async (t) => {
      await start();
      const [a] = await origins(t, {
        a: async (_items, { sign }) => [
          packageResult(change(await statedPackage(edge, "git")), sign),
        ],
      });
      const answer = edge.ask(packageItems(["git"]));
      await a?.begun(1);
      const [b] = await origins(t, { b: honest(edge) });
      assert.equal((await answer).state, "done");
      assert.equal(b?.jobs.length, 1);
      assert.match(String((await edge.logged("origin.invalid"))[0]?.["problem"]), says);
      const record = await packageRecord(edge, "git", "b");
      assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), record);
    });
  }

  test("another package set: both ends say so, and it gets no work", async (t) => {
    await start();
    const other = startOrigin(t, edge, "a", {
      hello: { packageSet: { id: "channel", label: "channel:nixos-unstable" } },
    });
    await other.reached("waiting");
    assert.deepEqual(await edge.ask(tagItems()), { state: "no-origin" });
    assert.equal(
      (await edge.logged("origin.mismatch"))[0]?.["reason"],
      "the edge serves package set starter, this origin channel:nixos-unstable",
    );
  });

  test("a key taken out of ORIGINS ends the connection: its job goes to another origin", async (t) => {
    await start();
    const [a] = await origins(t, { a: never });
    const answer = edge.ask(tagItems());
    await a?.begun(1);
    const [b] = await origins(t, { b: honest(edge) });
    const ended = a?.reached("waiting");
    await edge.change({ keys: originKeys("b") });
    // Whatever wakes the farm next will do.
    assert.equal((await edge.ask(tagItems("other"))).state, "done");
    await ended;
    assert.equal((await answer).state, "done");
    assert.deepEqual([a?.jobs.length, b?.jobs.length], [1, 2]);
  });

  for (const [what, keys] of [
    ["taken out", () => originKeys("b")],
    ["replaced", replaced],
  ] as const)
    test(`an origin whose key was ${what} is not heard any more`, async () => {
      await start();
      const origin = await welcomed(edge, "a");
      await edge.change({ keys: keys() });
      origin.say({ type: "revision", tag: "latest", revision: "f".repeat(40) });
      assert.equal(await origin.closed(), CLOSE.unauthorized);
      assert.equal(await edge.get(tagPath("starter", "latest")), undefined);
    });

  test("a key that was replaced ends the connection, also of who has said nothing yet", async (t) => {
    await start();
    const mute = await rawOrigin(edge, "a");
    await mute.ping();
    await origins(t, { b: honest(edge) });
    await edge.change({ keys: replaced() });
    assert.equal((await edge.ask(tagItems())).state, "done");
    assert.equal(await mute.closed(), CLOSE.unauthorized);
  });

  test("an origin that is away, and taken out of ORIGINS, is forgotten", async (t) => {
    await start({ reconnect: NEVER });
    const away = await welcomed(edge, "a");
    await origins(t, { b: honest(edge) });
    away.cut();
    await edge.change({ keys: originKeys("b") });
    assert.equal((await edge.ask(tagItems())).state, "done");
    const { origins: known } = (await edge.farm("overview")) as FarmOverview;
    assert.deepEqual(
      known.map(({ name }) => name),
      ["b"],
    );
  });

  test("what a revoked origin said of an item is forgotten: another one is asked", async () => {
    await start();
    const items = packageItems(["git"]);
    const wrong = await welcomed(edge, "a");
    const first = edge.ask(items);
    const { job } = await wrong.heard("job");
    wrong.say({ type: "failed", job, failure: { reason: "failed", message: "no git" } });
    assert.deepEqual(await first, { state: "done", results: [failure("failed", "no git")] });
    const other = await welcomed(edge, "b");
    await edge.farm("revoke", "a");
    await edge.crashBuild(items);
    const second = edge.ask(items);
    const results = [packageResult(await statedPackage(edge, "git"), signOf("b"))];
    other.say({ type: "done", job: (await other.heard("job")).job, results });
    const record = await packageRecord(edge, "git", "b");
    assert.deepEqual(await second, { state: "done", results: [{ kind: "package", record }] });
    other.cut();
  });

  test("an origin that is revoked while its results are stored: nothing of it is", async (t) => {
    await start();
    const revoked = await rawOrigin(edge, "a");
    revoked.say(hello);
    await revoked.heard("welcome");
    const answer = edge.ask(packageItems(["git"]));
    const { job } = await revoked.heard("job");
    const results = [packageResult(await statedPackage(edge, "git"), signOf("a"))];
    const [b] = await origins(t, { b: honest(edge) });
    await edge.change({ bucketWaits: true });
    revoked.say({ type: "done", job, results });
    // Its answer follows the results on the same connection, and needs no bucket.
    revoked.say({ type: "read", id: "1", job, digest: `sha256:${"0".repeat(64)}` });
    await revoked.heard("error");
    const done = edge.farm("revoke", "a");
    assert.equal(await revoked.closed(), CLOSE.unauthorized);
    await edge.change({ bucketWaits: false });
    assert.equal(await done, true);
    const record = await packageRecord(edge, "git", "b");
    assert.deepEqual(await answer, { state: "done", results: [{ kind: "package", record }] });
    assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), record);
    assert.equal(b?.jobs.length, 1);
  });

  test("another channel of nixpkgs: both ends say so, in words", async (t) => {
    await start({}, { PACKAGE_SET: "channel:nixos-unstable" });
    const other = startOrigin(t, edge, "a", {
      hello: { packageSet: { id: "channel", label: "channel:nixos-25.11" } },
    });
    await other.reached("waiting");
    assert.equal(
      (await edge.logged("origin.mismatch"))[0]?.["reason"],
      "the edge serves package set channel:nixos-unstable, this origin channel:nixos-25.11",
    );
  });

  test("a revoked origin does not come back after a restart", async (t) => {
    await start();
    const [a, b] = await origins(t, { a: honest(edge), b: honest(edge) });
    await edge.restart({ ORIGINS: originKeys("b") });
    assert.equal((await edge.ask(tagItems())).state, "done");
    assert.equal(a?.jobs.length, 0);
    assert.equal(b?.jobs.length, 1);
  });
});
