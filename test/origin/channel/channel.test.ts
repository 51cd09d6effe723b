/**
 * The origin's end of the channel against an edge that misbehaves. With the real edge it is tried
 * in test/edge/farm.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { decodeJwt, decodeProtectedHeader } from "jose";
import {
  CLOSE,
  type FromEdge,
  PROTOCOL_VERSION,
  TAGS_PROTOCOL,
} from "../../../edge/contract/messages.ts";
import { type Item, type Result } from "../../../edge/contract/items.ts";
import { connect, generateOriginKey, Slots } from "../../../origin/channel/index.ts";
import { readOriginKey } from "../../../origin/channel/key.ts";
import { signToken } from "../../../origin/channel/token.ts";
import { held, open, RESOLVED, tagJob, WELCOME } from "./open.ts";
import { until } from "../../harness/until.ts";
import { rudeEdge } from "./rude-edge.ts";

const welcome = (protocol: number): FromEdge => ({
  type: "welcome",
  protocol,
  origin: "mine",
  zstd: false,
});

describe("the set's tags", () => {
  test("are told to an edge that understands it, when they change and on every connection", async (t) => {
    const edge = await rudeEdge(t);
    const { channel } = open(t, edge);
    channel.listTags(["main"]);
    const first = await edge.connected();
    first.say(welcome(TAGS_PROTOCOL));
    assert.deepEqual((await first.heard("tags")).tags, ["main"]);
    channel.listTags(["main", "v1"]);
    assert.deepEqual((await first.heard("tags")).tags, ["main", "v1"]);
    first.socket.terminate();
    const second = await edge.connected();
    second.say(welcome(TAGS_PROTOCOL));
    assert.deepEqual((await second.heard("tags")).tags, ["main", "v1"]);
  });

  test("an older edge is told nothing, since it would close the connection", async (t) => {
    const edge = await rudeEdge(t);
    const { channel, state } = open(t, edge);
    channel.listTags(["main"]);
    const connection = await edge.connected();
    const heard: string[] = [];
    connection.socket.on("message", (data: Buffer) => heard.push(data.toString("utf8")));
    connection.say(welcome(PROTOCOL_VERSION));
    await state("connected");
    channel.listTags(["v1"]);
    channel.announce("latest", "a".repeat(40));
    await connection.heard("revision");
    assert.doesNotMatch(heard.join("\n"), /"type":"tags"/);
  });
});

describe("connecting", () => {
  test("the token is for this edge, short, and new each time", async (t) => {
    const edge = await rudeEdge(t);
    open(t, edge);
    const first = await edge.connected();
    first.socket.terminate();
    const second = await edge.connected();
    const tokens = [first, second].map(
      ({ request }) => /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1] ?? "",
    );
    const [claims, others] = tokens.map((token) => decodeJwt(token));
    assert.deepEqual(decodeProtectedHeader(tokens[0] ?? ""), { alg: "EdDSA" });
    assert.equal(claims?.aud, edge.url.host);
    assert.equal(claims?.sub, "mine");
    assert.equal((claims?.exp ?? 0) - (claims?.iat ?? 0), 60);
    assert.notEqual(claims?.jti, others?.jti);
  });

  for (const [status, meaning] of [
    [401, /: it does not know this origin's name and key/],
    [302, /: a redirect to http:\/\/127\.0\.0\.1:1\/; FIRN_EDGES must have the edge's own URL/],
  ] as const) {
    test(`${status}: said, not followed, tried again ${status === 401 ? "slowly" : ""}`, async (t) => {
      const edge = await rudeEdge(t, { status });
      const logs: Record<string, unknown>[] = [];
      const { state } = open(t, edge, { logs });
      await state("waiting");
      assert.match(String(logs[0]?.["why"]), new RegExp(`the edge answered ${status}`));
      assert.match(String(logs[0]?.["why"]), meaning);
      assert.equal(
        logs[0]?.["msg"],
        status === 401 ? "the edge refuses this origin" : "cannot connect to the edge",
      );
    });
  }

  test("refused for a wrong clock: the edge's is taken, and tried again soon", async (t) => {
    const edge = await rudeEdge(t, { status: 401, clock: Date.now() + 300_000 });
    const logs: Record<string, unknown>[] = [];
    const { state } = open(t, edge, { logs });
    await state("waiting");
    assert.match(String(logs[0]?.["msg"]), /this machine's clock differs from the edge's/);
    assert.ok(Math.abs(Number(logs[0]?.["seconds"]) - 300) < 5, "by so many seconds");
    assert.equal(logs[1]?.["msg"], "cannot connect to the edge", "a refusal is tried slowly");
    const token = await signToken(
      readOriginKey(generateOriginKey().privateKey),
      "mine",
      "edge",
      5_000,
    );
    assert.deepEqual([decodeJwt(token).iat, decodeJwt(token).exp], [5, 65]);
  });

  test("a mismatch is said clearly, in the edge's words", async (t) => {
    const edge = await rudeEdge(t);
    const logs: Record<string, unknown>[] = [];
    const { state } = open(t, edge, { logs });
    (await edge.connected()).socket.close(
      CLOSE.mismatch,
      "the edge serves package set channel, this origin starter",
    );
    await state("waiting");
    assert.equal(
      logs[0]?.["why"],
      "closed with 4409: the edge serves package set channel, this origin starter",
    );
    assert.equal(logs[0]?.["msg"], "the edge refuses this origin");
  });

  test("an edge that answers no pings is left, and connected to again", async (t) => {
    const edge = await rudeEdge(t, { pong: false });
    const logs: Record<string, unknown>[] = [];
    open(t, edge, { pingMs: 50, logs });
    (await edge.connected()).say(WELCOME);
    await edge.connected();
    assert.ok(logs.some(({ why }) => why === "no answer to a ping within 50 ms"));
  });

  test("a message that is not of the protocol ends the connection", async (t) => {
    const edge = await rudeEdge(t);
    open(t, edge);
    (await edge.connected()).say('{"type":"format-disk"}');
    await edge.connected();
  });

  test("a wrong key is an error at once", () => {
    assert.throws(
      () => connect({ key: "x", hello: { slots: 1 } } as never),
      /must be an Ed25519 private key/,
    );
  });
});

describe("jobs", () => {
  test("accepted, logged to whoever follows, done; kept until the edge confirms", async (t) => {
    const edge = await rudeEdge(t);
    const followed = Promise.withResolvers<void>();
    const { channel } = open(t, edge, {
      run: async (_, { log }) => {
        log("building");
        await followed.promise;
        return RESOLVED;
      },
    });
    const first = await edge.connected();
    assert.deepEqual((await first.heard("hello")).running, []);
    first.say(WELCOME);
    first.say(tagJob("1"));
    assert.equal((await first.heard("accepted")).job, "1");
    first.say({ type: "follow", job: "1", on: true });
    assert.deepEqual((await first.heard("log")).lines, ["building"]);
    followed.resolve();
    assert.deepEqual((await first.heard("done")).results, RESOLVED);
    first.socket.terminate();
    const second = await edge.connected();
    assert.deepEqual((await second.heard("hello")).running, ["1"]);
    second.say(WELCOME);
    assert.equal((await second.heard("done")).job, "1");
    second.say({ type: "settled", job: "1" });
    second.socket.terminate();
    const third = await edge.connected();
    assert.deepEqual((await third.heard("hello")).running, []);
    assert.equal(channel.state, "connecting");
  });

  test("a job goes on while there is no connection, and its result is said on the next one", async (t) => {
    const edge = await rudeEdge(t);
    const { run, end } = held();
    const { state } = open(t, edge, { run });
    const first = await edge.connected();
    first.say(WELCOME);
    first.say(tagJob("1"));
    await first.heard("accepted");
    first.socket.terminate();
    await state("waiting");
    end(RESOLVED);
    const second = await edge.connected();
    assert.deepEqual((await second.heard("hello")).running, ["1"]);
    second.say(WELCOME);
    assert.deepEqual((await second.heard("done")).results, RESOLVED);
    second.say({ type: "settled", job: "1" });
  });

  test("beyond its slots it refuses, over all its edges together", async (t) => {
    const edges = [await rudeEdge(t), await rudeEdge(t)];
    const slots = new Slots(1);
    // One each: a run that one channel ends is no ending of the other's.
    for (const edge of edges) open(t, edge, { slots, run: held().run });
    const [first, second] = await Promise.all(edges.map((edge) => edge.connected()));
    for (const connection of [first, second]) connection?.say(WELCOME);
    const names = { packageSet: "starter", revision: "a".repeat(40), path: [] };
    const items: Item[] = [{ kind: "index", system: "x86_64-linux", ...names }];
    first?.say({ type: "job", job: "1", items });
    await first?.heard("accepted");
    second?.say({ type: "job", job: "2", items });
    assert.deepEqual(await second?.heard("refused"), {
      type: "refused",
      job: "2",
      message: "all 1 slots are taken",
    });
    second?.say(tagJob("3"));
    assert.equal((await second?.heard("accepted"))?.job, "3", "tags have slots of their own");
  });

  test("a job that is cancelled holds nothing when its run has ended, and tells no results", async (t) => {
    const edge = await rudeEdge(t);
    const { promise, resolve: end } = Promise.withResolvers<readonly Result[]>();
    let settled: AbortSignal | undefined;
    open(t, edge, {
      run: (_, context) => {
        settled ??= context.settled;
        return context.settled === settled ? promise : Promise.resolve(RESOLVED);
      },
    });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say(tagJob("1"));
    await connection.heard("accepted");
    connection.say({ type: "cancel", job: "1" });
    connection.say(tagJob("2"));
    // Its run does not look at its signal, and ends all the same.
    assert.equal((await connection.heard("done")).job, "2");
    end(RESOLVED);
    await until("what the job held is given up", () => settled?.aborted);
    connection.say(tagJob("3"));
    assert.equal((await connection.heard("done")).job, "3", "and nothing is told of the first");
    for (const job of ["2", "3"]) connection.say({ type: "settled", job });
  });

  test("of an edge that takes no results it takes no more jobs, until it does", async (t) => {
    const edge = await rudeEdge(t);
    open(t, edge);
    const connection = await edge.connected();
    connection.say(WELCOME);
    for (let job = 0; job < 256; job++) {
      connection.say(tagJob(String(job)));
      await connection.heard("done");
    }
    connection.say(tagJob("more"));
    assert.deepEqual(await connection.heard("refused"), {
      type: "refused",
      job: "more",
      message: "the edge has not taken the results of 256 jobs",
    });
    connection.say({ type: "settled", job: "0" });
    connection.say(tagJob("more"));
    assert.equal((await connection.heard("done")).job, "more");
    for (let job = 1; job < 256; job++) connection.say({ type: "settled", job: String(job) });
    connection.say({ type: "settled", job: "more" });
  });

  test("every line about a job names the build of the edge's log, and the run knows it", async (t) => {
    const edge = await rudeEdge(t);
    const logs: Record<string, unknown>[] = [];
    const traces: (string | undefined)[] = [];
    open(t, edge, {
      logs,
      run: (_, { trace }) => {
        traces.push(trace);
        return Promise.resolve(RESOLVED);
      },
    });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say({ ...tagJob("1"), trace: "0123456789ab" } as FromEdge);
    await connection.heard("done");
    connection.say({ type: "repeat", job: "1" });
    connection.say({ type: "settled", job: "1" });
    connection.say(tagJob("2"));
    await connection.heard("done");
    connection.say({ type: "settled", job: "2" });
    const about = (job: string): unknown[] =>
      logs.filter((line) => line["job"] === job).map((line) => line["build"]);
    assert.deepEqual(about("1"), ["0123456789ab", "0123456789ab", "0123456789ab"]);
    assert.deepEqual(about("2"), [undefined, undefined], "an edge that does not say it");
    assert.deepEqual(traces, ["0123456789ab", undefined]);
  });

  test("cancel aborts the run, frees the slot, and nothing more is said of the job", async (t) => {
    const edge = await rudeEdge(t);
    const { run, aborted } = held();
    let first = true;
    open(t, edge, {
      run: (items, context) =>
        first ? ((first = false), run(items, context)) : Promise.resolve(RESOLVED),
    });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say(tagJob("1"));
    await connection.heard("accepted");
    connection.say({ type: "cancel", job: "1" });
    await aborted();
    connection.say(tagJob("2"));
    assert.equal((await connection.heard("done")).job, "2");
    connection.say({ type: "settled", job: "2" });
  });

  const failures: readonly [string, () => Promise<readonly Result[]>, object][] = [
    [
      "a failure of the work",
      () =>
        Promise.reject(
          Object.assign(new Error("x"), { failure: { reason: "unknown", message: "no such tag" } }),
        ),
      { reason: "unknown", message: "no such tag" },
    ],
    [
      "the origin's own trouble",
      () => Promise.reject(new Error("the disk is full")),
      { reason: "error", message: "the disk is full" },
    ],
    [
      "something thrown that is no error",
      () => Promise.reject("odd"),
      { reason: "error", message: "odd" },
    ],
    [
      "a failure that is none",
      () => Promise.reject(Object.assign(new Error("half"), { failure: { reason: "whim" } })),
      { reason: "error", message: "half" },
    ],
    [
      "a result that the edge would refuse",
      () => Promise.resolve([{ kind: "revision", revision: "main" }]),
      {
        reason: "error",
        message:
          "this origin made a result that is not valid: 0.revision: a revision is 40 lower-case hex digits",
      },
    ],
    [
      "too many results",
      () => Promise.resolve([...RESOLVED, ...RESOLVED]),
      { reason: "error", message: "this origin made 2 results for 1 items" },
    ],
  ];
  for (const [what, run, failure] of failures) {
    test(`${what} is told as such`, async (t) => {
      const edge = await rudeEdge(t);
      open(t, edge, { run });
      const connection = await edge.connected();
      connection.say(WELCOME);
      connection.say(tagJob("1"));
      assert.deepEqual((await connection.heard("failed")).failure, failure);
      connection.say({ type: "settled", job: "1" });
    });
  }
});

describe("announcements", () => {
  test("at once when connected, in hello when not", async (t) => {
    const edge = await rudeEdge(t);
    const { channel, state } = open(t, edge);
    channel.announce("latest", "a".repeat(40));
    const first = await edge.connected();
    assert.deepEqual((await first.heard("hello")).revisions, [
      { tag: "latest", revision: "a".repeat(40) },
    ]);
    channel.announce("latest", "b".repeat(40));
    first.say(WELCOME);
    assert.equal(
      (await first.heard("revision")).revision,
      "b".repeat(40),
      "what changed between hello and welcome",
    );
    await state("connected");
    channel.announce("latest", "c".repeat(40));
    assert.equal((await first.heard("revision")).revision, "c".repeat(40));
    first.socket.terminate();
    assert.deepEqual((await (await edge.connected()).heard("hello")).revisions, [
      { tag: "latest", revision: "c".repeat(40) },
    ]);
  });
});
