/** What an origin asks the farm for its jobs, and what it is told. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { digestOf } from "../../../edge/contract/digest.ts";
import { blobPath, layerPath } from "../../../edge/contract/keys.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { originKeys } from "./origins.ts";
import { hello, type RawOrigin, rawOrigin } from "./raw-origin.ts";
import { packageItems } from "./records.ts";

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
const bye = async (origin: RawOrigin): Promise<void> => {
  origin.say({ type: "bye" });
  origin.cut();
};

describe("layers", () => {
  const made = "1".repeat(64);
  const gone = "2".repeat(64);
  const unknown = "3".repeat(64);

  test("what a layer was packed to, and whether the blob is there; nothing of one that nobody packed", async () => {
    const { origin, job } = await withJob();
    const [digest, lost] = await Promise.all([digestOf("layer"), digestOf("lost")]);
    await edge.put(blobPath(digest), "layer");
    const record = (key: string, blob: string) => ({ key, digest: blob, size: 5, diffId: lost });
    await edge.put(layerPath(made), JSON.stringify(record(made, digest)));
    await edge.put(layerPath(`${made}.zstd`), JSON.stringify({ digest: lost, size: 4 }));
    await edge.put(layerPath(gone), JSON.stringify({ ...record(gone, lost), size: 4 }));
    const keys = [unknown, made, gone];
    origin.say({ type: "layers", id: "1", job, keys, zstd: true });
    assert.deepEqual((await origin.heard("layers")).layers, [
      {},
      {
        gzip: { record: record(made, digest), present: true },
        zstd: { record: { digest: lost, size: 4 }, present: false },
      },
      { gzip: { record: { ...record(gone, lost), size: 4 }, present: false } },
    ]);
    origin.say({ type: "layers", id: "2", job, keys: [made], zstd: false });
    const { layers } = await origin.heard("layers");
    assert.deepEqual(Object.keys(layers[0] ?? {}), ["gzip"]);
    await bye(origin);
  });

  test("only for a job that the origin holds", async () => {
    const { origin, job } = await withJob("a");
    const other = await rawOrigin(edge, "b");
    other.say(hello);
    await other.heard("welcome");
    for (const asked of [job, "no-such-job"]) {
      other.say({ type: "layers", id: asked, job: asked, keys: [made], zstd: false });
      const error = await other.heard("error");
      assert.equal(error.id, asked);
      assert.equal(error.message, `this origin does not hold the job ${asked}`);
      assert.equal(error.passing, false);
    }
    await bye(other);
    await bye(origin);
  });

  test("a bucket that does not answer is an error that passes", async () => {
    const { origin, job } = await withJob();
    await edge.change({ bucketFails: true });
    origin.say({ type: "layers", id: "1", job, keys: ["4".repeat(64)], zstd: false });
    const { passing } = await origin.heard("error");
    await edge.change({ bucketFails: false });
    assert.equal(passing, true);
    await bye(origin);
  });
});
