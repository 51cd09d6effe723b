/** What a job asks the edge, over a connection that an ill-behaved edge answers as it likes. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Result } from "../../../edge/contract/items.ts";
import type { BucketAnswer } from "../../../edge/contract/bucket-requests.ts";
import { Destinations, type RunContext, Slots } from "../../../origin/channel/index.ts";
import { soon } from "../../harness/soon.ts";
import { open, RESOLVED, tagJob, WELCOME } from "./open.ts";
import { type RudeConnection, rudeEdge } from "./rude-edge.ts";

const KEYS = ["a".repeat(64), "b".repeat(64)];
const none: BucketAnswer = { type: "layers", id: "1", layers: [{}, {}] };

/** A job that asks for two layers; `outcome` is what it got. */
function asking() {
  const outcome = Promise.withResolvers<readonly unknown[]>();
  const run = async (_: unknown, { requests, signal }: RunContext): Promise<readonly Result[]> => {
    const layers = requests.layers(KEYS, true, signal);
    layers.then(outcome.resolve, outcome.reject);
    await layers;
    return RESOLVED;
  };
  outcome.promise.catch(() => undefined);
  return { run, outcome: outcome.promise };
}

/** A job that asks, and its question as the edge has heard it. */
async function asked(t: TestContext) {
  const edge = await rudeEdge(t);
  const { run, outcome } = asking();
  open(t, edge, { run });
  const connection = await edge.connected();
  connection.say(WELCOME);
  connection.say(tagJob("j"));
  return { edge, connection, request: await connection.heard("layers"), outcome };
}

/** The job is done, and the edge says that it knows: nothing is left to wait for. */
async function settled(connection: RudeConnection): Promise<void> {
  assert.deepEqual((await connection.heard("done")).results, RESOLVED);
  connection.say({ type: "settled", job: "j" });
}

test("a request names its job, and the answer with its id is its answer", async (t) => {
  const { connection, request, outcome } = await asked(t);
  assert.deepEqual(request, { type: "layers", id: "1", job: "j", keys: KEYS, zstd: true });
  connection.say({ ...none, id: "another" });
  connection.say(none);
  assert.deepEqual(await outcome, [{}, {}]);
  await settled(connection);
});

test("what has no answer when the connection is lost is asked again on the next one", async (t) => {
  const { edge, connection: first, request, outcome } = await asked(t);
  first.socket.terminate();
  const second = await edge.connected();
  assert.deepEqual((await second.heard("hello")).running, ["j"]);
  second.say(WELCOME);
  assert.deepEqual(await second.heard("layers"), request);
  second.say(none);
  assert.deepEqual(await outcome, [{}, {}]);
  await settled(second);
});

test("a passing error is asked about again; another ends the job, in the edge's words", async (t) => {
  const { connection, request, outcome } = await asked(t);
  const { id } = request;
  connection.say({ type: "error", id, message: "the bucket sleeps", passing: true });
  const again = await connection.heard("layers");
  assert.notEqual(again.id, id);
  const message = "this origin does not hold the job j";
  connection.say({ type: "error", id: again.id, message, passing: false });
  await assert.rejects(outcome, { message: `the edge does not answer layers: ${message}` });
  const ended = await connection.heard("failed");
  assert.equal(ended.failure.reason, "error");
  assert.equal(ended.failure.message, `the edge does not answer layers: ${message}`);
  connection.say({ type: "settled", job: "j" });
});

test("an answer of another kind, or to another number of questions, is an error", async (t) => {
  const edge = await rudeEdge(t);
  for (const [answer, problem] of [
    [{ type: "url", id: "1", url: "http://127.0.0.1/" }, "the edge answered layers with url"],
    [{ ...none, layers: [{}] }, "the edge gave 1 answers to 2 questions"],
  ] as const) {
    const { run, outcome } = asking();
    const { channel } = open(t, edge, { run });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say(tagJob("j"));
    await connection.heard("layers");
    connection.say(answer as BucketAnswer);
    await assert.rejects(outcome, { message: problem });
    await connection.heard("failed");
    connection.say({ type: "settled", job: "j" });
    await channel.drain();
  }
});

test("a cancelled job waits for no answer", async (t) => {
  const { connection, outcome } = await asked(t);
  connection.say({ type: "cancel", job: "j" });
  await assert.rejects(outcome, /the edge cancelled the job/);
});

test("what a job began and another one wants goes on in the other's name", async (t) => {
  const edge = await rudeEdge(t);
  const never = new AbortController().signal;
  const contexts: RunContext[] = [];
  const run = (_: unknown, context: RunContext): Promise<readonly Result[]> => {
    contexts.push(context);
    return new Promise((_resolve, reject) =>
      context.signal.addEventListener("abort", () => reject(new Error("aborted"))),
    );
  };
  open(t, edge, { run, slots: new Slots(2) });
  const connection = await edge.connected();
  connection.say(WELCOME);
  for (const job of ["first", "second"]) {
    connection.say(tagJob(job));
    await connection.heard("accepted");
  }
  connection.say({ type: "cancel", job: "first" });
  const [first] = contexts;
  await soon(
    "the first is cancelled",
    new Promise<void>((resolve) => {
      if (first?.signal.aborted === true) resolve();
      first?.signal.addEventListener("abort", () => resolve());
    }),
  );
  const layers = first?.requests.layers(KEYS, false, never);
  const { id, job } = await connection.heard("layers");
  assert.equal(job, "second");
  connection.say({ ...none, id });
  assert.deepEqual(await layers, [{}, {}]);
});

test("a request that got lost on a connection that lives on is sent again", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const { connection, request, outcome } = await asked(t);
  t.mock.timers.tick(30_000);
  assert.deepEqual(await connection.heard("layers"), request);
  connection.say(none);
  assert.deepEqual(await outcome, [{}, {}]);
  await settled(connection);
});

test("an edge on this machine may send its origin here, and only once it was reached", async (t) => {
  const edge = await rudeEdge(t);
  const destinations = new Destinations();
  const here = "http://127.0.0.1:1/bucket";
  assert.throws(() => destinations.check(here), /127.0.0.1:1, on this machine/);
  const checked = Promise.withResolvers<URL>();
  const run = async (_: unknown, { requests }: RunContext): Promise<readonly Result[]> => {
    checked.resolve(requests.destinations.check(here));
    return RESOLVED;
  };
  open(t, edge, { run, destinations });
  const connection = await edge.connected();
  connection.say(WELCOME);
  connection.say(tagJob("j"));
  await soon("the job", checked.promise);
  await settled(connection);
});
