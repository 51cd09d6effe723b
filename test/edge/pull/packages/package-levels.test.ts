/**
 * Levels whose layers are not made yet: made on demand; while no origin can, the image has to wait.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { withAccounts } from "../../registry/accounts.ts";
import { startOrigin } from "../../registry/origin.ts";
import {
  type Answer,
  putBase,
  putLevel,
  putPackage,
  putTag,
  REVISION,
  send,
  startTestEdge,
  type TestEdge,
  type TestPackage,
} from "../../registry/support.ts";

let firn: TestEdge;
before(async () => {
  firn = await startTestEdge();
  await putBase(firn.bucket);
  await putTag(firn.bucket, "latest", REVISION);
});
after(() => firn?.stop());

/**
 * Three levels, of which the record has the coarsest: the finest is what an image of it alone must
 * use.
 */
const layered = (name: string): TestPackage => ({
  name,
  levels: [[`${name}-a`, `${name}-b`, name], [`${name}-ab`, name], [`${name}-all`]],
  level: 2,
});
const get = (name: string): Promise<Answer> =>
  send("GET", `${firn.url}/v2/${name}/manifests/latest`);
/** Layers but for those of cacert, iana-etc and the profile. */
const layersOf = ({ body }: Answer): number =>
  (JSON.parse(String(body)) as { layers: unknown[] }).layers.length - 3;

test("a level that is not made yet is made by an origin, and the image is stored", async () => {
  const fine = layered("fine");
  await putPackage(firn.bucket, fine);
  const origin = await startOrigin(firn, { stock: { fine } });
  const answer = await get("fine");
  await origin.stop();
  assert.equal(answer.status, 200, String(answer.body));
  assert.equal(layersOf(answer), 3);
  assert.equal(answer.headers["warning"], undefined);
  assert.deepEqual(
    origin.jobs.map((items) =>
      items.map((item) => (item.kind === "package" ? [item.name, item.level] : [])),
    ),
    [[["fine", 0]]],
  );
  assert.equal(
    (await get("fine")).headers["docker-content-digest"],
    answer.headers["docker-content-digest"],
  );
});

test("a level that no origin can make now: come back later, and nothing coarser", async () => {
  await putPackage(firn.bucket, layered("late"));
  const answer = await get("late");
  assert.equal(answer.status, 503, String(answer.body));
  assert.match(String(answer.body), /making layers of late/);

  await putLevel(firn.bucket, "late", 0, ["late-a", "late-b", "late"]);
  const made = await get("late");
  assert.equal(made.status, 200, String(made.body));
  assert.equal(layersOf(made), 3);
});

test("a caller who may not build has no level made, and no origin is asked", async () => {
  const guarded = await startTestEdge({
    ACCESS: "cached",
    ...withAccounts({ ci: {} }),
  });
  try {
    await putBase(guarded.bucket);
    await putTag(guarded.bucket, "latest", REVISION);
    const guest = layered("guest");
    await putPackage(guarded.bucket, guest);
    const origin = await startOrigin(guarded, { stock: { guest } });
    const answer = await send("GET", `${guarded.url}/v2/guest/manifests/latest`);
    await origin.stop();
    assert.equal(answer.status, 401, String(answer.body));
    assert.deepEqual(origin.jobs, []);
  } finally {
    await guarded.stop();
  }
});
