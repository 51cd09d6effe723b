/**
 * The farm with real origins: who gets the work, who waits for it, and what happens when something
 * breaks.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { levelPath, packagePath, tagPath } from "../../../edge/contract/keys.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { until } from "../../harness/until.ts";
import { failure, gate, honest, originKeys, startOrigin } from "./origins.ts";
import { packageItems, packageRecord, REVISION, SCOPE, tagItems } from "./records.ts";

describe("one origin", () => {
  let edge: FarmEdge;
  before(async () => {
    edge = await startFarm({ vars: { ORIGINS: originKeys("a") } });
  });
  after(() => edge.stop());

  test("resolves a tag and writes it", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.deepEqual(await edge.ask(tagItems()), {
      state: "done",
      results: [{ kind: "revision", revision: REVISION }],
    });
    const record = (await edge.get(tagPath("starter", "latest"))) as { revision: string };
    assert.equal(record.revision, REVISION);
    assert.deepEqual(await edge.ask(tagItems("nowhere")), {
      state: "done",
      results: [failure("unknown", "there is no tag nowhere")],
    });
  });

  test("publishes packages and levels; one that fails leaves the others alone", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const record = await packageRecord(edge, "git");
    assert.deepEqual(await edge.ask(packageItems(["git", "broken-git"])), {
      state: "done",
      results: [{ kind: "package", record }, failure("failed", "broken-git does not build")],
    });
    assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), record);
    assert.equal(await edge.get(packagePath(SCOPE, "broken-git")), undefined);
    assert.equal((await edge.ask(packageItems(["git~1"]))).state, "done");
    assert.equal(((await edge.get(levelPath(SCOPE, "git", 1))) as { level: number }).level, 1);
  });

  test("32 askers at once, and later ones, share one job; who leaves is told that it goes on", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    await origin.reached("connected");
    const items = packageItems(["coalesced"]);
    const before = await edge.change();
    const answers = Array.from({ length: 32 }, () => edge.ask(items));
    await origin.begun(1);
    assert.deepEqual(await edge.ask(items, 1), { state: "building" });
    open();
    for (const answer of await Promise.all(answers)) assert.equal(answer.state, "done");
    assert.equal((await edge.ask(items)).state, "done");
    assert.equal(origin.jobs.length, 1);
    assert.equal((await edge.change()) - before, 1, "the farm was asked once");
  });

  test("a client that hangs up cancels nothing, and its retry joins", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    await origin.reached("connected");
    const items = packageItems(["impatient"]);
    const client = new AbortController();
    const hungUp = assert.rejects(edge.ask(items, 20_000, { signal: client.signal }));
    await origin.begun(1);
    client.abort();
    await hungUp;
    const retry = edge.ask(items);
    open();
    assert.equal((await retry).state, "done");
    assert.equal(origin.jobs.length, 1);
  });

  test("work that overlaps is done once: each package is in one job", async (t) => {
    const { opened, open } = gate();
    const origin = startOrigin(t, edge, "a", {
      run: async (items, context) => (await opened, honest(edge)(items, context)),
    });
    await origin.reached("connected");
    const first = edge.ask(packageItems(["one", "two"]));
    await origin.begun(1);
    const second = edge.ask(packageItems(["two", "three"]));
    await origin.begun(2);
    const third = edge.ask(packageItems(["one", "three"]));
    open();
    for (const answer of await Promise.all([first, second, third]))
      assert.equal(answer.state, "done");
    assert.deepEqual(origin.names(), [["one", "two"], ["three"]]);
  });

  test("a failure is remembered for whoever asks next, in other company too", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    await edge.ask(packageItems(["broken-a"]));
    await edge.ask(packageItems(["broken-a"]));
    await edge.ask(packageItems(["broken-a", "fine-a"]));
    assert.deepEqual(origin.names(), [["broken-a"], ["fine-a"]]);
  });

  test("an answer is given again for as long as it is remembered, then made anew", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    const items = tagItems("brief");
    await edge.ask(items);
    await edge.ask(items);
    assert.equal(origin.jobs.length, 1);
    await until("the tag is resolved again", async () => {
      await edge.ask(items);
      return origin.jobs.length === 2;
    });
  });

  test("no origin for the system, or none at all, is said at once", async (t) => {
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    assert.deepEqual(await edge.ask(packageItems(["hello"], { system: "aarch64-linux" })), {
      state: "no-origin",
    });
    await origin.drain();
    assert.deepEqual(await edge.ask(packageItems(["hello"])), { state: "no-origin" });
  });
});
