/**
 * The farm with real origins: who gets the work, who waits for it, and what happens when something
 * breaks.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { levelPath, packagePath, tagPath } from "../../../edge/contract/keys.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { gate, honest, originKeys, startOrigin } from "./origins.ts";
import { packageRecord, publishJob, resolveJob, REVISION } from "./records.ts";

describe("one origin", () => {
  let edge: FarmEdge;
  before(async () => {
    edge = await startFarm({ vars: { ORIGIN_KEYS: originKeys("a") } });
  });
  after(() => edge.stop());

  test("resolves a tag and writes it", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.deepEqual(await edge.ask(resolveJob()), {
      state: "done",
      result: { kind: "resolved", revision: REVISION },
    });
    const record = (await edge.get(tagPath("starter", "latest"))) as { revision: string };
    assert.equal(record.revision, REVISION);
    assert.deepEqual(await edge.ask(resolveJob("nowhere")), {
      state: "failed",
      failure: { reason: "unknown", message: "there is no tag nowhere" },
    });
  });

  test("publishes packages and levels; one that fails leaves the others alone", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const work = publishJob(["git", "broken-git"]);
    const answer = await edge.ask(work);
    assert.equal(answer.state, "done");
    const outcomes =
      answer.state === "done" && answer.result.kind === "published" ? answer.result.outcomes : [];
    assert.deepEqual(
      outcomes.map(({ kind, name }) => [kind, name]),
      [
        ["package", "git"],
        ["failure", "broken-git"],
      ],
    );
    assert.deepEqual(
      await edge.get(packagePath(work, "git")),
      await packageRecord(edge, work, "git"),
    );
    assert.equal(await edge.get(packagePath(work, "broken-git")), undefined);
    assert.equal((await edge.ask(publishJob(["git~1"]))).state, "done");
    assert.equal(((await edge.get(levelPath(work, "git", 1))) as { level: number }).level, 1);
  });

  test("32 askers at once, and those who come while it runs, share one job; who stops waiting is told that it goes on", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (work, context) => (await opened, honest(edge)(work, context)),
    });
    await origin.reached("connected");
    const work = publishJob(["coalesced"]);
    const answers = Array.from({ length: 32 }, () => edge.ask(work));
    await origin.begun(1);
    assert.deepEqual(await edge.ask(work, 1), { state: "building" });
    open();
    for (const answer of await Promise.all(answers)) assert.equal(answer.state, "done");
    assert.equal((await edge.ask(work)).state, "done");
    assert.equal(origin.works.length, 1);
  });

  test("a client that hangs up cancels nothing, and its retry joins", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (work, context) => (await opened, honest(edge)(work, context)),
    });
    await origin.reached("connected");
    const work = publishJob(["impatient"]);
    const client = new AbortController();
    const hungUp = assert.rejects(edge.ask(work, 20_000, client.signal));
    await origin.begun(1);
    client.abort();
    await hungUp;
    const retry = edge.ask(work);
    open();
    assert.equal((await retry).state, "done");
    assert.equal(origin.works.length, 1);
  });

  test("work that overlaps is done once: each package is in one job", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (work, context) => (await opened, honest(edge)(work, context)),
    });
    await origin.reached("connected");
    const first = edge.ask(publishJob(["one", "two"]));
    await origin.begun(1);
    const second = edge.ask(publishJob(["two", "three"]));
    await origin.begun(2);
    const third = edge.ask(publishJob(["one", "three"]));
    open();
    for (const answer of await Promise.all([first, second, third]))
      assert.equal(answer.state, "done");
    assert.deepEqual(
      origin.works.map((work) =>
        work.kind === "publish" ? work.items.map(({ name }) => name) : [],
      ),
      [["one", "two"], ["three"]],
    );
  });

  test("a failure is remembered for whoever asks next, in other company too", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    await edge.ask(publishJob(["broken-a"]));
    await edge.ask(publishJob(["broken-a"]));
    await edge.ask(publishJob(["broken-a", "fine-a"]));
    assert.deepEqual(
      origin.works.map((work) =>
        work.kind === "publish" ? work.items.map(({ name }) => name) : [],
      ),
      [["broken-a"], ["fine-a"]],
    );
  });

  test("a Build object vanishes when its answer's time is over", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const work = resolveJob("brief");
    await edge.ask(work);
    while ((await edge.tablesOfBuild(work)).some(({ rows }) => rows > 0))
      await new Promise((resolve) => setTimeout(resolve, 200));
    await edge.ask(work);
    assert.equal(origin.works.length, 2);
  });

  test("no origin for the system, or none at all, is said at once", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.deepEqual(await edge.ask(publishJob(["hello"], { system: "aarch64-linux" })), {
      state: "no-origin",
    });
    await origin.drain();
    assert.deepEqual(await edge.ask(publishJob(["hello"])), { state: "no-origin" });
  });
});
