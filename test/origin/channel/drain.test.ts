/** How an origin stops. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { held, open, RESOLVED, tagJob, WELCOME } from "./open.ts";
import { rudeEdge } from "./rude-edge.ts";

describe("drain", () => {
  test("finishes what runs, takes nothing new, waits for the confirmation, and closes", async (t) => {
    const edge = await rudeEdge(t);
    const { run, end } = held();
    const { channel } = open(t, edge, { run, drainMs: 20_000 });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say(tagJob("1"));
    await connection.heard("accepted");
    const drained = channel.drain();
    await connection.heard("bye");
    connection.say(tagJob("2"));
    assert.deepEqual(await connection.heard("refused"), {
      type: "refused",
      job: "2",
      message: "this origin is stopping",
    });
    end(RESOLVED);
    assert.equal((await connection.heard("done")).job, "1");
    connection.say({ type: "settled", job: "1" });
    await drained;
    assert.equal(channel.state, "closed");
  });

  test("hands back what does not finish in time", async (t) => {
    const edge = await rudeEdge(t);
    const { run, aborted } = held();
    const { channel } = open(t, edge, { run, drainMs: 50 });
    const connection = await edge.connected();
    connection.say(WELCOME);
    connection.say(tagJob("1"));
    await connection.heard("accepted");
    const drained = channel.drain();
    assert.deepEqual(await connection.heard("refused"), {
      type: "refused",
      job: "1",
      message: "this origin is stopping",
    });
    await Promise.all([aborted(), drained]);
  });

  test("without a connection it ends too", async (t) => {
    const edge = await rudeEdge(t, { status: 503 });
    const { channel, state } = open(t, edge);
    await state("waiting");
    await channel.drain();
    assert.equal(channel.state, "closed");
  });
});
