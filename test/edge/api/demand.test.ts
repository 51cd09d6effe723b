/** What was pulled most: all counts of a quiet registry, a sample of those of a busy one. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { DemandAnswer, SearchAnswer } from "../../../edge/contract/api.ts";
import { demandPath } from "../../../edge/contract/demand.ts";
import { type FrontedEdge, startFrontedEdge } from "../pull/front.ts";
import { putIndex, putTag, REVISION, SCOPE, send } from "../registry/support.ts";

let edge: FrontedEdge;
before(async () => {
  edge = await startFrontedEdge();
  await putTag(edge.firn.bucket, "latest", REVISION);
  await putIndex(edge.firn.bucket, ["git", "gitea", "jq"]);
});
after(() => edge?.stop());

/** Should midnight pass meanwhile: yesterday counts too. */
const today = new Date().toISOString().slice(0, 10);
const putCount = (id: string, text: string): Promise<unknown> =>
  edge.firn.bucket.put(demandPath(SCOPE.packageSet, today, id), text, {
    contentType: "application/json",
    ifAbsent: false,
  });
const putCounts = async (from: number, to: number): Promise<void> => {
  for (let n = from; n < to; n += 1)
    await putCount(`${n}`, JSON.stringify({ pulls: 3, packages: { git: 2, jq: 1 } }));
};
const demand = async (): Promise<DemandAnswer> => {
  const { status, body } = await send("GET", `${edge.firn.url}/api/demand`);
  assert.equal(status, 200, String(body));
  return JSON.parse(String(body)) as DemandAnswer;
};

test("few counts are all added up; one that is damaged is passed over", async () => {
  await putCounts(0, 10);
  await putCount("damaged", "{");
  assert.deepEqual(await demand(), {
    pulls: 30,
    packages: [
      { name: "git", pulls: 20 },
      { name: "jq", pulls: 10 },
    ],
    sampled: false,
  });
});

test("of many counts a sample is read, and says so", async () => {
  await edge.firn.bucket.delete(demandPath(SCOPE.packageSet, today, "damaged"));
  await putCounts(10, 90);
  // What is in memory is ten minutes old by then.
  await edge.advance(600_000);
  edge.front.requests.length = 0;
  const { pulls, packages, sampled } = await demand();
  assert.equal(sampled, true);
  assert.equal(pulls, 270);
  assert.deepEqual(packages[0], { name: "git", pulls: 180 });
  const read = edge.front.requests.filter((request) => request.startsWith("GET demand/"));
  assert.ok(read.length <= 60, `${read.length} counts were read`);
});

test("a search is answered while the counts cannot be read", async () => {
  await edge.advance(600_000);
  edge.front.refuses = ({ method, key }) =>
    method === "GET" && key.startsWith("demand/") ? 403 : undefined;
  const { status, body } = await send("GET", `${edge.firn.url}/api/search?q=git`);
  edge.front.refuses = () => undefined;
  assert.equal(status, 200, String(body));
  const { packages } = JSON.parse(String(body)) as SearchAnswer;
  assert.deepEqual(
    packages.map(({ name }) => name),
    ["git", "gitea"],
  );
});
