/** What an origin asks the farm for its jobs, and what it is told. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { digestOf } from "../../../../edge/contract/digest.ts";
import { blobPath, layerPath } from "../../../../edge/contract/keys.ts";
import { CLOSE } from "../../../../edge/contract/messages.ts";
import type { LayerStatement } from "../../../../edge/contract/records.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { keys as originKey } from "../keys.ts";
import { originKeys } from "../origins.ts";
import { hello, type RawOrigin, rawOrigin, welcomed } from "../raw-origin.ts";
import { layerRecord, layerStatement, packageItems } from "../records.ts";

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({
    times: { reconnect: 500 },
    vars: { ORIGINS: originKeys("a", "b") },
  });
});
after(() => edge.stop());

let packages = 0;
/** A connected origin, and a job that it holds. */
async function withJob(name = "a"): Promise<{ origin: RawOrigin; job: string }> {
  const origin = await rawOrigin(edge, name);
  origin.say(hello);
  await origin.heard("welcome");
  void edge.ask(packageItems([`p${++packages}`])).catch(() => undefined);
  const { job } = await origin.heard("job");
  origin.say({ type: "accepted", job });
  return { origin, job };
}
const bye = (origin: RawOrigin): void => {
  origin.say({ type: "bye" });
  origin.cut();
};

/** Puts a record into the bucket, as the edge itself would write it. */
const put = async (statement: LayerStatement, by = "a") => {
  const record = layerRecord(statement, by);
  await edge.put(layerPath(statement.key, statement.codec), JSON.stringify(record));
  return record;
};

describe("layers", () => {
  const unknown = "3".repeat(64);
  test("what a layer was packed to, by whose key, and whether its blob is there; else nothing", async () => {
    const { origin, job } = await withJob();
    const statement = await layerStatement(edge, "made");
    const lost = { ...(await layerStatement(edge, "lost")), digest: await digestOf("nowhere") };
    const made = await put(statement);
    const zstd = await put({ ...statement, codec: "zstd", digest: lost.digest });
    const gone = await put(lost);
    const cut = await put(await layerStatement(edge, "cut"));
    await edge.put(blobPath(cut.digest), "cu");
    const asked = [unknown, made.key, gone.key, cut.key];
    origin.say({ type: "layers", id: "1", job, keys: asked, zstd: true });
    // Of who has signed them, and of nobody else.
    const keys = { a: originKey["a"]?.publicKey };
    assert.deepEqual((await origin.heard("layers")).layers, [
      {},
      { gzip: { record: made, present: true, keys }, zstd: { record: zstd, present: false, keys } },
      { gzip: { record: gone, present: false, keys } },
      { gzip: { record: cut, present: false, keys } },
    ]);
    origin.say({ type: "layers", id: "2", job, keys: [made.key], zstd: false });
    const { layers } = await origin.heard("layers");
    assert.deepEqual(Object.keys(layers[0] ?? {}), ["gzip"]);
    bye(origin);
  });

  test("a record that no origin in force has signed counts for nothing", async () => {
    const { origin, job } = await withJob();
    const { key } = await put(await layerStatement(edge, "stranger's"), "c");
    origin.say({ type: "layers", id: "1", job, keys: [key], zstd: false });
    assert.deepEqual((await origin.heard("layers")).layers, [{}]);
    bye(origin);
  });

  test("only for a job that the origin holds", async () => {
    const { origin, job } = await withJob("a");
    const other = await rawOrigin(edge, "b");
    other.say(hello);
    await other.heard("welcome");
    for (const asked of [job, "no-such-job"]) {
      other.say({ type: "layers", id: asked, job: asked, keys: [unknown], zstd: false });
      const error = await other.heard("error");
      assert.equal(error.id, asked);
      assert.equal(error.message, `this origin does not hold the job ${asked}`);
      assert.equal(error.passing, false);
    }
    bye(other);
    bye(origin);
  });

  test("not for a job that was taken from it", async () => {
    const origin = await welcomed(edge, "a");
    void edge.ask(packageItems([`p${++packages}`])).catch(() => undefined);
    const { job } = await origin.heard("job");
    await edge.lapse("accept");
    origin.say({ type: "layers", id: "1", job, keys: [unknown], zstd: false });
    assert.equal((await origin.heard("error")).message, `this origin does not hold the job ${job}`);
    bye(origin);
  });

  test("a bucket that does not answer is an error that passes", async () => {
    const { origin, job } = await withJob();
    await edge.change({ bucketFails: true });
    origin.say({ type: "layers", id: "1", job, keys: ["4".repeat(64)], zstd: false });
    const { passing } = await origin.heard("error");
    await edge.change({ bucketFails: false });
    assert.equal(passing, true);
    bye(origin);
  });
});

test("neither edge nor origin has S3 credentials: refused, and both operators learn it", async () => {
  const origin = await rawOrigin(edge, "b");
  origin.say({ ...hello, ownBucket: false });
  assert.equal(await origin.closed(), CLOSE.mismatch);
  const [line] = await edge.logged("origin.mismatch");
  assert.match(
    String(line?.["reason"]),
    /^this edge cannot sign uploads: set S3_ENDPOINT and the rest of S3_\* there, or at this origin$/,
  );
});
