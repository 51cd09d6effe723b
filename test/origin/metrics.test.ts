import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import type { Item, Result } from "../../edge/contract/items.ts";
import { Slots, type RunContext } from "../../origin/channel/index.ts";
import { ownPort } from "../harness/ports.ts";
import { Metrics } from "../../origin/metrics.ts";

const ITEMS: Item[] = [{ kind: "tag", packageSet: "starter", tag: "latest" }];
const CONTEXT = {} as RunContext;

async function open(t: TestContext) {
  const slots = new Slots(3);
  const status: { accepting: boolean; freeBytes: number } = { accepting: true, freeBytes: 5_000 };
  const metrics = new Metrics({
    version: "1.2.3",
    slots,
    connections: () =>
      new Map([
        ["edge.example", true],
        ["other.example", false],
      ]),
    status: () => status,
  });
  const port = await ownPort();
  t.after(await metrics.listen(port));
  const get = (path: string) => fetch(`http://127.0.0.1:${port}${path}`);
  return { metrics, slots, status, get, read: async () => (await get("/metrics")).text() };
}

describe("an origin's metrics", () => {
  test("are what it is and does at the moment", async (t) => {
    const { slots, status, read, get } = await open(t);
    slots.take();
    const lines = (await read()).split("\n");
    for (const line of [
      'firn_origin_info{version="1.2.3"} 1',
      'firn_origin_slots{state="total"} 3',
      'firn_origin_slots{state="used"} 1',
      'firn_origin_connected{edge="edge.example"} 1',
      'firn_origin_connected{edge="other.example"} 0',
      "firn_origin_accepting 1",
      "firn_origin_disk_free_bytes 5000",
    ])
      assert.ok(lines.includes(line), line);
    assert.ok(lines.some((line) => line.startsWith("process_resident_memory_bytes ")));
    status.accepting = false;
    assert.match(await read(), /^firn_origin_accepting 0$/m);
    assert.equal((await get("/")).status, 404);
  });

  test("jobs are counted by how they end, items by their results", async (t) => {
    const { metrics, read } = await open(t);
    const results: Result[] = [
      { kind: "revision", revision: "a".repeat(40) },
      { kind: "failure", failure: { reason: "unknown", message: "no such tag" } },
    ];
    assert.equal(await metrics.counted(() => Promise.resolve(results))(ITEMS, CONTEXT), results);
    const broken = metrics.counted(() => Promise.reject(new Error("the disk is full")));
    await assert.rejects(broken(ITEMS, CONTEXT), /the disk is full/);
    const text = await read();
    for (const line of [
      'firn_origin_items_total{kind="tag",result="done"} 1',
      'firn_origin_items_total{kind="tag",result="unknown"} 1',
      'firn_origin_job_seconds_count{kind="tag",ending="done"} 1',
      'firn_origin_job_seconds_count{kind="tag",ending="failed"} 1',
    ])
      assert.ok(text.split("\n").includes(line), line);
  });
});
