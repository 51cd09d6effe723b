/** Pulls are counted, in Analytics Engine or in the bucket, for the next layer plan. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as v from "valibot";
import {
  addDemand,
  type DemandCount,
  demandPrefix,
  DemandSchema,
  demandShares,
} from "../../../edge/contract/demand.ts";
import { operatorBucket } from "../../../origin/plan/operator-bucket.ts";
import { until } from "../../harness/until.ts";
import {
  putBase,
  putPackage,
  putTag,
  REVISION,
  SCOPE,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";
import { startFrontedEdge } from "./front.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The data points of pulls of git. */
const pointsOf = (times: number): object[] =>
  ["", "cacert", "git", "iana-etc"].map((name) => ({
    indexes: ["starter"],
    blobs: [name],
    doubles: [times],
  }));

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
    const text = new TextDecoder().decode(bytes ?? undefined);
    const count = v.parse(DemandSchema, JSON.parse(text));
    found.push({ ...count, packages: { ...count.packages } });
  }
  return found;
}

test("a pull is counted for each of its packages; a refused request and a HEAD are not", async () => {
  const refused = await send("GET", `${firn.url}/v2/git/manifests/-bad`);
  assert.equal(refused.status, 404);
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
  const found = await until("counts are in the bucket", async () => {
    const written = await counts();
    return written.length > 0 ? written : undefined;
  });
  assert.deepEqual(found, [{ pulls: 1, packages: { cacert: 1, git: 1, "iana-etc": 1 } }]);
});

test("counts go to Analytics Engine: the set as index, package as blob, pulls as double", async () => {
  const edge = await startFrontedEdge();
  try {
    const { bucket, url } = edge.firn;
    await putBase(bucket);
    await putPackage(bucket, { name: "git" });
    await putTag(bucket, "latest", REVISION);
    const pull = async (): Promise<void> => {
      assert.equal((await send("GET", `${url}/v2/git/manifests/latest`)).status, 200);
    };
    const points = (count: number) =>
      until(`pulls are counted ${count} times`, async () => {
        const { body } = await send("GET", `${url}/test/points`);
        const found = JSON.parse(String(body)) as object[];
        return found.length > 0 ? found : undefined;
      });
    await pull();
    assert.deepEqual(await points(1), pointsOf(1));
    await pull();
    await pull();
    await edge.advance(HOUR);
    await pull();
    assert.deepEqual(await points(3), pointsOf(3));
    assert.ok(
      !edge.front.requests.some((line) => line.includes(" demand/")),
      "and not to the bucket",
    );
  } finally {
    await edge.stop();
  }
});

test("a client counts once a day for an image, however often it asks", async () => {
  const edge = await startFrontedEdge({ CLIENT_ADDRESS_HEADER: "X-Client" });
  try {
    const { bucket, url } = edge.firn;
    await putBase(bucket);
    await putPackage(bucket, { name: "git" });
    await putTag(bucket, "latest", REVISION);
    const pull = async (client: string): Promise<void> => {
      const answer = await send("GET", `${url}/v2/git/manifests/latest`, { "X-Client": client });
      assert.equal(answer.status, 200);
    };
    const points = () =>
      until("pulls are counted", async () => {
        const { body } = await send("GET", `${url}/test/points`);
        const found = JSON.parse(String(body)) as object[];
        return found.length > 0 ? found : undefined;
      });
    // An hour later it must not be the next day (UTC).
    await edge.advance(DAY - (Date.now() % DAY));
    await pull("192.0.2.1");
    assert.deepEqual(await points(), pointsOf(1));
    for (let n = 0; n < 5; n++) await pull("192.0.2.1");
    await pull("192.0.2.2");
    await edge.advance(HOUR);
    await pull("192.0.2.3");
    assert.deepEqual(await points(), pointsOf(2));
    await pull("192.0.2.1");
    await edge.advance(DAY);
    await pull("192.0.2.1");
    assert.deepEqual(await points(), pointsOf(1), "the next day it counts again");
  } finally {
    await edge.stop();
  }
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

test("a digest under a name that it is not of counts for nobody, and one client for 50 images", async () => {
  const edge = await startFrontedEdge({ CLIENT_ADDRESS_HEADER: "X-Client", LIMIT_IMAGES: "off" });
  try {
    const { bucket, url } = edge.firn;
    await putBase(bucket);
    const names = Array.from({ length: 60 }, (_, n) => `p${n}`);
    await Promise.all(["git", ...names].map((name) => putPackage(bucket, { name })));
    await putTag(bucket, "latest", REVISION);
    const get = (name: string, reference: string, client: string) =>
      send("GET", `${url}/v2/${name}/manifests/${reference}`, { "X-Client": client });
    const counted = async (): Promise<Map<string, number>> => {
      const { body } = await send("GET", `${url}/test/points`);
      const points = JSON.parse(String(body)) as { blobs: [string]; doubles: [number] }[];
      return new Map(points.map(({ blobs, doubles }) => [blobs[0], doubles[0]]));
    };
    // The isolate's first count is written at once, and what comes later an hour later.
    const pulled = await get("git", "latest", "192.0.2.1");
    await until("the first pull is counted", async () => (await counted()).size > 0);
    const digest = String(pulled.headers["docker-content-digest"]);
    for (const name of ["gcc", "gcc/git", "no-such-thing"])
      assert.equal((await get(name, digest, "192.0.2.2")).status, 404);
    assert.equal((await get("git", digest, "192.0.2.2")).status, 200);
    for (const name of names)
      assert.equal((await get(`git/${name}`, "latest", "192.0.2.3")).status, 200);
    await edge.advance(HOUR);
    await get("git", "latest", "192.0.2.4");
    const points = await until("the others are counted", async () => {
      const found = await counted();
      return found.size > 0 && found;
    });
    // Of 192.0.2.2 one, of 192.0.2.3 fifty, of 192.0.2.4 one.
    assert.equal(points.get("git"), 1 + 50 + 1);
    for (const name of ["gcc", "no-such-thing"]) assert.equal(points.get(name), undefined, name);
  } finally {
    await edge.stop();
  }
});
