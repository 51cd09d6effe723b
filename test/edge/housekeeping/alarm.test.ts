/** With GC the edge collects by itself; on one's own server too, where there is no cron trigger. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import {
  putBase,
  putPackage,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge({ GC: "30d" });
  await putBase(firn.bucket);
  await putPackage(firn.bucket, { name: "git" });
  await putTag(firn.bucket, "latest", REVISION);
});
after(() => firn?.stop());

test("a run begins by itself once something is pulled, and ends", async () => {
  assert.equal((await send("GET", `${firn.url}/v2/git/manifests/latest`)).status, 200);
  const [ended] = await firn.logged("gc.ended");
  assert.deepEqual([ended?.["unused"], ended?.["delete"]], [30 * 86_400, true]);
  const kinds = ended?.["kinds"] as Record<string, { kept: { objects: number } }>;
  assert.equal(kinds["images"]?.kept.objects, 1);
  assert.equal((await send("GET", `${firn.url}/v2/git/manifests/latest`)).status, 200);
});
