/** A bucket, and what packs layers into it, for a test of a publish job. */
import { join } from "node:path";
import type { TestContext } from "node:test";
import { pino } from "pino";
import { openLayers } from "../../../origin/layers/index.ts";
import { edgeRequests } from "../layers/edge-requests.ts";
import { startBucket } from "../layers/local-bucket.ts";
import { temporary } from "../nix/support.ts";

/** Both end with the test. */
export async function bucketLayers(t: TestContext) {
  const bucket = await startBucket();
  t.after(() => bucket.stop());
  const opened = openLayers({
    cacheDir: join(temporary(t), "layers"),
    logger: pino({ level: "silent" }),
  });
  t.after(() => opened.close());
  return { bucket, layers: opened.of(edgeRequests(bucket.access)) };
}
