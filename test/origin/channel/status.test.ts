/** An origin whose disk is full takes no jobs, and says so. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Slots } from "../../../origin/channel/index.ts";
import { held, open, RESOLVED, tagJob, WELCOME } from "./open.ts";
import { rudeEdge } from "./rude-edge.ts";

const FULL = { accepting: false, reason: "the disk is full", freeBytes: 7 } as const;

test("the edge hears it after welcome, when it changes, and on the next connection", async (t) => {
  const edge = await rudeEdge(t);
  const { channel } = open(t, edge);
  channel.status(FULL);
  const first = await edge.connected();
  first.say(WELCOME);
  assert.deepEqual(await first.heard("status"), { type: "status", ...FULL });
  channel.status({ accepting: true, freeBytes: 9 });
  assert.deepEqual(await first.heard("status"), { type: "status", accepting: true, freeBytes: 9 });
  first.socket.terminate();
  const second = await edge.connected();
  second.say(WELCOME);
  assert.deepEqual(await second.heard("status"), { type: "status", accepting: true, freeBytes: 9 });
});

test("a job that arrives all the same is refused; what runs goes on; later jobs are taken", async (t) => {
  const edge = await rudeEdge(t);
  const { run, end } = held();
  const { channel } = open(t, edge, { run, slots: new Slots(2) });
  const connection = await edge.connected();
  connection.say(WELCOME);
  connection.say(tagJob("1"));
  assert.equal((await connection.heard("accepted")).job, "1");
  channel.status(FULL);
  connection.say(tagJob("2"));
  assert.deepEqual(await connection.heard("refused"), {
    type: "refused",
    job: "2",
    message: "the disk is full",
  });
  end(RESOLVED);
  assert.equal((await connection.heard("done")).job, "1");
  channel.status({ accepting: true });
  connection.say(tagJob("2"));
  assert.equal((await connection.heard("accepted")).job, "2");
  for (const job of ["1", "2"]) connection.say({ type: "settled", job });
});

test("what a job was made from is needed until its results are settled", async (t) => {
  const edge = await rudeEdge(t);
  const { promise, resolve } = Promise.withResolvers<AbortSignal>();
  open(t, edge, {
    run: (_, { settled }) => {
      resolve(settled);
      return Promise.resolve(RESOLVED);
    },
  });
  const connection = await edge.connected();
  connection.say(WELCOME);
  connection.say(tagJob("1"));
  const settled = await promise;
  await connection.heard("accepted");
  await connection.heard("done");
  assert.equal(settled.aborted, false);
  connection.say({ type: "settled", job: "1" });
  connection.say(tagJob("2"));
  await connection.heard("accepted");
  assert.equal(settled.aborted, true);
  connection.say({ type: "settled", job: "2" });
});
