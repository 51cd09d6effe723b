/** Names of tags that origins list: whose names are kept, and what revoking an origin does. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { tagNamesPath } from "../../../../edge/contract/keys.ts";
import { parsePackageSet } from "../../../../edge/contract/package-set.ts";
import { mergedTags } from "../../../../edge/farm/publication/tag-names.ts";
import { until } from "../../../harness/until.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { configured, originKeys } from "../origins.ts";
import { type RawOrigin, welcomed } from "../raw-origin.ts";

const PACKAGE_SET = "git:https://git.example/packages.git";
const { id, label } = await parsePackageSet(PACKAGE_SET);

let edge: FarmEdge;
afterEach(() => edge?.stop());

async function start(ORIGINS: string): Promise<void> {
  edge = await startFarm({ vars: { PACKAGE_SET, ORIGINS } });
}
const connected = (name: string): Promise<RawOrigin> =>
  welcomed(edge, name, { packageSet: { id, label } });

/** The names in the bucket; undefined when it has no record. */
const stored = async (): Promise<string | undefined> =>
  ((await edge.get(tagNamesPath(id))) as { tags: string[] } | undefined)?.tags.join(" ");
const become = (names: string | undefined): Promise<unknown> =>
  until(`the names are ${names}`, async () => (await stored()) === names);

/** `a` may tell of tags that begin with v, others of the others. */
const told = (known: Parameters<typeof mergedTags>[0], origin: string, tags: string[]) =>
  mergedTags(known, { tags, origin, mayTell: (tag) => tag.startsWith("v") === (origin === "a") });

test("an origin lists the tags that it may resolve; of others, others do", () => {
  const first = told(null, "a", ["v2", "v1", "main"]);
  assert.deepEqual(first, { tags: ["v1", "v2"], origins: ["a"] });
  const both = told(first, "b", ["v9", "main", "dev"]);
  assert.deepEqual(both, { tags: ["dev", "main", "v1", "v2"], origins: ["a", "b"] });
  assert.deepEqual(told(both, "a", ["v2", "v2"]).tags, ["dev", "main", "v2"]);
  const alone = mergedTags(both, { tags: ["v1"], origin: "c", mayTell: () => true });
  assert.deepEqual(alone, { tags: ["v1"], origins: ["c"] });
});

test("the names that a revoked origin listed are gone until another origin lists", async () => {
  await start(originKeys("a", "b"));
  const [a, b] = [await connected("a"), await connected("b")];
  a.say({ type: "tags", tags: ["evil", "v1"] });
  await become("evil v1");
  await edge.farm("revoke", "a");
  await become(undefined);
  b.say({ type: "tags", tags: ["v1", "v2"] });
  await become("v1 v2");
  await edge.farm("revoke", "a");
  assert.equal(await stored(), "v1 v2", "the names are another origin's now");
});

test("the same for an origin that is taken out of ORIGINS, also when its names are mixed", async () => {
  const both = {
    ...JSON.parse(configured(["a"], { tags: ["v*"] })),
    ...JSON.parse(configured(["b"], { tags: ["main"] })),
  };
  await start(JSON.stringify(both));
  const [a, b] = [await connected("a"), await connected("b")];
  a.say({ type: "tags", tags: ["v1"] });
  await become("v1");
  b.say({ type: "tags", tags: ["main"] });
  await become("main v1");
  await edge.change({ keys: JSON.stringify({ b: both.b }) });
  // Whatever wakes the farm next will do.
  b.say({ type: "status", accepting: true });
  await become(undefined);
  assert.equal((await edge.logged("origin.revoked"))[0]?.["origin"], "a");
});
