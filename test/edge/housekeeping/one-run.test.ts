/** One run of garbage collection at a time, however long the bucket takes to answer. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { GC_PATH } from "../../../edge/contract/housekeeping.ts";
import { soon } from "../../harness/soon.ts";
import { basic } from "../registry/accounts.ts";
import { errorsOf, putTag, REVISION, send } from "../registry/support.ts";
import { DAY, GRACE, type OperatedEdge, startOperatedEdge } from "./support.ts";

let edge: OperatedEdge;
before(async () => {
  edge = await startOperatedEdge();
  await putTag(edge.firn.bucket, "latest", REVISION);
});
after(() => edge?.stop());

test("no other run begins while the bucket keeps a step waiting; the run goes on", async () => {
  const { client, front, firn } = edge;
  const begin = (unused: number) =>
    send("POST", `${firn.url}${GC_PATH}?unused=${unused}&grace=${GRACE}&delete=on`, basic("root"));
  const { run } = await client.beginGc({ unused: 90 * DAY, grace: GRACE, delete: true });
  const [held, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  front.before = async ({ key }) => {
    if (!key.startsWith("tags/")) return;
    held.resolve();
    await released.promise;
  };
  const stepping = (async () => {
    let progress = await client.stepGc(run);
    while (progress.at === null && !progress.done) progress = await client.stepGc(run);
    return progress;
  })();
  await soon("a step reads the tag", held.promise);
  // As if the bucket had kept many requests of the step waiting.
  await edge.advance(600_000);
  const other = await begin(DAY);
  released.resolve();
  assert.equal(other.status, 409, String(other.body));
  assert.match(errorsOf(other)[0]?.message ?? "", /another run .* is under way/);
  assert.equal((await stepping).run, run);
  await edge.advance(600_000);
  assert.equal((await begin(DAY)).status, 200, "one that nobody continues is replaced");
});
