/** A tag moves to a new revision when what is pulled most is published for it. */
import assert from "node:assert/strict";
import { afterEach, test, type TestContext } from "node:test";
import { demandPath } from "../../../edge/contract/demand.ts";
import { tagPath } from "../../../edge/contract/keys.ts";
import type { PackageItem } from "../../../edge/contract/items.ts";
import { until } from "../../harness/until.ts";
import { type FarmEdge, type FarmOptions, startFarm } from "./farm-edge.ts";
import { configured, failure, gate, honest, startOrigin, type TestRun } from "./origins.ts";
import { packageItems, REVISION, SCOPE, tagItems } from "./records.ts";

let edge: FarmEdge;
afterEach(() => edge.stop());

const NEXT = "b".repeat(40);
const TAG = "latest";

/** An origin whose tag means whatever `now.revision` is; it publishes as `publish` does. */
async function start(
  t: TestContext,
  { vars = {}, times = {}, publish }: Partial<FarmOptions> & { publish?: TestRun } = {},
) {
  edge = await startFarm({ times, vars: { ORIGINS: configured(["a"]), ...vars } });
  const now = { revision: REVISION };
  const run: TestRun = (items, context) => {
    if (items[0]?.kind === "tag")
      return Promise.resolve([{ kind: "revision", revision: now.revision }]);
    const isNext = items.some((item) => item.kind === "package" && item.revision === NEXT);
    return (isNext && publish ? publish : honest(edge))(items, context);
  };
  const origin = startOrigin(t, edge, "a", { run, hello: { slots: 4 } });
  await origin.reached("connected");
  return { origin, now };
}

const resolve = async (): Promise<string> => {
  const answer = await edge.ask(tagItems(TAG));
  assert.equal(answer.state, "done");
  const [result] = answer.state === "done" ? answer.results : [];
  assert.equal(result?.kind, "revision");
  return result?.kind === "revision" ? result.revision : "";
};
/** What a farm that has just resolved a tag remembers of it is forgotten. */
const forget = (): Promise<unknown> =>
  until("the tag resolved anew", async () => {
    const before = edge.events("tag.warming").length + edge.events("tag.moved").length;
    await resolve();
    return edge.events("tag.warming").length + edge.events("tag.moved").length > before;
  });
const recorded = async (): Promise<string> =>
  ((await edge.get(tagPath(SCOPE.packageSet, TAG))) as { revision: string }).revision;

const namesAt = (jobs: readonly (readonly unknown[])[], revision: string): string[] =>
  (jobs.flat() as PackageItem[])
    .filter((item) => item.kind === "package" && item.revision === revision)
    .map(({ name }) => name);

test("the packages of the old revision are published for the new one, then the tag moves", async (t) => {
  const { opened, open } = gate();
  const { origin, now } = await start(t, {
    publish: async (items, context) => (await opened, honest(edge)(items, context)),
  });
  assert.equal(await resolve(), REVISION);
  await edge.ask(packageItems(["git", "curl"]));
  now.revision = NEXT;
  await forget();
  assert.deepEqual([await resolve(), await recorded()], [REVISION, REVISION], "not moved yet");
  open();
  await until("the tag moved", async () => (await recorded()) === NEXT);
  assert.deepEqual(namesAt(origin.jobs, NEXT).sort(), ["curl", "git"]);
  const [moved] = await edge.logged("tag.moved");
  assert.deepEqual([moved?.["from"], moved?.["to"], moved?.["unfinished"]], [REVISION, NEXT, 0]);
});

test("only the most pulled, as many as WARM_PACKAGES says", async (t) => {
  const { origin, now } = await start(t, { vars: { WARM_PACKAGES: "2" } });
  await resolve();
  // Nobody pulled the one that is called as what every object has.
  await edge.ask(packageItems(["constructor", "git", "curl", "hello", "jq"]));
  const counts = { pulls: 9, packages: { jq: 5, hello: 3, git: 1 } };
  const day = new Date().toISOString().slice(0, 10);
  await edge.put(demandPath(SCOPE.packageSet, day, "test"), JSON.stringify(counts));
  now.revision = NEXT;
  await forget();
  await until("the tag moved", async () => (await recorded()) === NEXT);
  assert.deepEqual(namesAt(origin.jobs, NEXT).sort(), ["hello", "jq"]);
});

test("a package that fails at the new revision holds nothing up", async (t) => {
  const { now } = await start(t, {
    publish: (items) => Promise.resolve(items.map(() => failure("failed", "it does not build"))),
  });
  await resolve();
  await edge.ask(packageItems(["git"]));
  now.revision = NEXT;
  await forget();
  await until("the tag moved", async () => (await recorded()) === NEXT);
});

test("a build that does not end holds the tag up for WARM_SECONDS, farm moved or not", async (t) => {
  const { origin, now } = await start(t, {
    vars: { WARM_SECONDS: "4" },
    publish: () => new Promise(() => undefined),
  });
  await resolve();
  await edge.ask(packageItems(["git"]));
  now.revision = NEXT;
  await forget();
  await edge.evictFarm("hibernate");
  await until("the tag moved", async () => (await recorded()) === NEXT);
  const [moved] = await edge.logged("tag.moved");
  assert.equal(moved?.["unfinished"], 1);
  assert.equal(origin.state, "connected");
});

/** No test waits for this, ms. */
const NEVER = 10 * 60_000;

test("a tag does not move to what an origin said that is revoked meanwhile", async (t) => {
  const { now } = await start(t, {
    vars: { ORIGINS: configured(["a", "b"]) },
    publish: () => new Promise(() => undefined),
  });
  await resolve();
  await edge.ask(packageItems(["git"]));
  const other = startOrigin(t, edge, "b");
  await other.reached("connected");
  await edge.farm("rest", "b", NEVER);
  now.revision = NEXT;
  await forget();
  await edge.farm("revoke", "a");
  await edge.farm("rest", "b", 0);
  await other.begun(1);
  assert.deepEqual(namesAt(other.jobs, NEXT), ["git"]);
  const [stays] = await edge.logged("tag.stays");
  assert.equal(stays?.["origin"], "a");
  assert.equal(await recorded(), REVISION);
  assert.deepEqual(edge.events("tag.moved"), []);
});

test("an origin tells of a new revision: packages are begun at once, whatever else happens", async (t) => {
  const { origin } = await start(t, { times: { accept: NEVER, lease: NEVER } });
  await resolve();
  await edge.ask(packageItems(["git"]));
  origin.announce(TAG, NEXT);
  await until("the tag moved", async () => (await recorded()) === NEXT);
  assert.deepEqual(namesAt(origin.jobs, NEXT), ["git"]);
});

test("WARM_SECONDS are kept when the alarm rings for something else before", async (t) => {
  const { now } = await start(t, {
    vars: { WARM_SECONDS: "6" },
    times: { accept: 500, lease: NEVER },
    publish: () => new Promise(() => undefined),
  });
  await resolve();
  await edge.ask(packageItems(["git"]));
  now.revision = NEXT;
  await forget();
  await until("the tag moved", async () => (await recorded()) === NEXT);
  // The alarm that rings for something else next, ending memories, is 35 s after the tag's ending.
  const [moved] = await edge.logged("tag.moved");
  assert.ok(Number(moved?.["seconds"]) < 30, `after ${moved?.["seconds"]} s`);
});

test("a new tag, an unused one, and all with WARM_PACKAGES=0, move at once", async (t) => {
  const { now } = await start(t, { vars: { WARM_PACKAGES: "0" } });
  await resolve();
  await edge.ask(packageItems(["git"]));
  now.revision = NEXT;
  await until("the tag moved", async () => (await resolve()) === NEXT);
  assert.deepEqual(edge.events("tag.warming"), []);
});
