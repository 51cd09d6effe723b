/** An image that somebody pulls while it is deleted, and a bucket that refuses to take it back. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GcProgress } from "../../../edge/contract/housekeeping.ts";
import {
  type Answer,
  digestOf,
  imagesOf,
  putBase,
  putPackage,
  putTag,
  REVISION,
  send,
} from "../registry/support.ts";
import { until } from "../../harness/until.ts";
import { DAY, GRACE, type OperatedEdge, startOperatedEdge } from "./support.ts";

let edge: OperatedEdge;
before(async () => {
  edge = await startOperatedEdge();
  await putBase(edge.firn.bucket);
  await putPackage(edge.firn.bucket, { name: "git" });
  await putTag(edge.firn.bucket, "latest", REVISION);
});
after(() => edge?.stop());

/** Steps of a run, up to the packages or to its end. */
async function collect(end: "packages" | "all"): Promise<GcProgress> {
  let progress = await edge.client.beginGc({ unused: DAY, grace: GRACE, delete: true });
  const isThere = ({ done, at }: GcProgress): boolean => done || (end !== "all" && at === end);
  while (!isThere(progress)) {
    await edge.advance(progress.waitMs);
    progress = await edge.client.stepGc(progress.run);
  }
  return progress;
}

test("it is taken back as soon as the bucket takes it", async () => {
  const { url, bucket } = edge.firn;
  const manifest = (reference: string): Promise<Answer> =>
    send("GET", `${url}/v2/git/manifests/${reference}`);
  const first = await manifest("latest");
  assert.equal(first.status, 200, String(first.body));
  const digest = digestOf(first.body);
  await until("the pull is recorded", async () => {
    const { body } = await send("GET", `${url}/test/behind`);
    return String(body) === "0";
  });
  await edge.advance(3_000 * DAY);
  await collect("all");
  await edge.advance(1_000 * (GRACE + 1));
  await collect("packages");
  assert.deepEqual(await imagesOf(bucket, "git"), [], "it is deleted");
  // No isolate remembers it.
  await edge.advance(60_000);

  edge.front.refuses = ({ method, key }) =>
    method === "PUT" && key.startsWith("images/") ? 507 : undefined;
  assert.equal((await manifest(digest)).status, 404);
  edge.front.refuses = () => undefined;
  const again = await manifest(digest);
  assert.equal(again.status, 200, String(again.body));
  assert.equal(digestOf(again.body), digest);
  assert.equal((await imagesOf(bucket, "git")).length, 1);
});
