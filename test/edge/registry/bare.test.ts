/**
 * The Worker without an R2 binding and without its Durable Objects: known images and new
 * combinations of known packages come from an S3 bucket alone.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { after, before, test } from "node:test";
import { digestOf, putKnown, send, startTestEdge, type TestEdge } from "./support.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge(
    { BUILD_WAIT: "1" },
    { worker: fileURLToPath(new URL("worker.ts", import.meta.url)) },
  );
  await putKnown(firn.bucket, ["git", "curl"]);
});
after(() => firn?.stop());

test("a known image and a new combination of known packages touch no Durable Object", async () => {
  for (const name of ["git", "git", "curl/git", "curl/git"]) {
    const answer = await send("GET", `${firn.url}/v2/${name}/manifests/latest`);
    assert.equal(answer.status, 200, String(answer.body));
    assert.equal(answer.headers["docker-content-digest"], digestOf(answer.body));
  }
  assert.ok(
    (await send("GET", `${firn.url}/v2/jq/manifests/latest`)).status >= 500,
    "an unknown package does",
  );
});

test("blobs stream from S3, whole and in part, with their length", async () => {
  const manifest = await send("GET", `${firn.url}/v2/git/manifests/latest`);
  const { layers } = JSON.parse(String(manifest.body)) as {
    layers: { digest: string; size: number }[];
  };
  for (const { digest, size } of layers) {
    const url = `${firn.url}/v2/git/blobs/${digest}`;
    const whole = await send("GET", url);
    assert.equal(digestOf(whole.body), digest);
    assert.equal(Number(whole.headers["content-length"]), size);
    const part = await send("GET", url, { range: "bytes=1-3" });
    assert.deepEqual([part.status, part.headers["content-range"]], [206, `bytes 1-3/${size}`]);
    assert.deepEqual(part.body, whole.body.subarray(1, 4));
  }
});
