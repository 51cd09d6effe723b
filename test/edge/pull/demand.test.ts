/** Pulls are counted into the bucket, where the next layer plan finds them. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import * as v from "valibot";
import {
  addDemand,
  type DemandCount,
  demandPrefix,
  DemandSchema,
  demandShares,
} from "../../../edge/contract/demand.ts";
import { operatorBucket } from "../../../origin/plan/operator-bucket.ts";
import {
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

/**
 * How often the bucket is looked at for what the Worker writes behind its answers, milliseconds.
 */
const POLL = 50;

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge();
  await putTag(firn.bucket, "latest", REVISION);
  for (const name of ["cacert", "iana-etc", "git"]) await putPackage(firn.bucket, { name });
});
after(() => firn?.stop());

async function counts(): Promise<DemandCount[]> {
  const bucket = operatorBucket(firn.edge.s3);
  const found: DemandCount[] = [];
  for await (const key of bucket.list(demandPrefix(SCOPE.packageSet))) {
    const bytes = await bucket.get(key);
    found.push(v.parse(DemandSchema, JSON.parse(new TextDecoder().decode(bytes ?? undefined))));
  }
  return found;
}

test("a pull by tag is counted by its packages; one by digest, of nothing, or of a blob is not", async () => {
  const refused = await send("GET", `${firn.url}/v2/git/manifests/-bad`);
  assert.equal(refused.status, 400);
  const pulled = await send("HEAD", `${firn.url}/v2/git/manifests/latest`);
  assert.equal(pulled.status, 200);
  assert.equal(
    (
      await send(
        "GET",
        `${firn.url}/v2/git/manifests/${String(pulled.headers["docker-content-digest"])}`,
      )
    ).status,
    200,
  );
  let found = await counts();
  while (found.length === 0) {
    await sleep(POLL);
    found = await counts();
  }
  assert.deepEqual(found, [{ pulls: 1, packages: { cacert: 1, git: 1, "iana-etc": 1 } }]);
});

test("counts add up to shares", () => {
  const sum = addDemand([
    { pulls: 3, packages: { git: 3, curl: 1 } },
    { pulls: 1, packages: { curl: 1 } },
  ]);
  assert.deepEqual(sum, { pulls: 4, packages: { curl: 2, git: 3 } });
  assert.deepEqual(
    demandShares(sum),
    new Map([
      ["curl", 0.5],
      ["git", 0.75],
    ]),
  );
  assert.deepEqual(demandShares({ pulls: 0, packages: { git: 1 } }), new Map([["git", 0]]));
});
