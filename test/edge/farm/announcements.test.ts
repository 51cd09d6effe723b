/** What origins tell of tags without being asked. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { tagPath } from "../../../edge/contract/keys.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { until } from "../../harness/until.ts";
import { originKeys, startOrigin } from "./origins.ts";
import { tagItems, REVISION } from "./records.ts";

const OTHER_REVISION = "f".repeat(40);

let edge: FarmEdge;
afterEach(() => edge.stop());

const latest = async (packageSet: string): Promise<string | undefined> =>
  ((await edge.get(tagPath(packageSet, "latest"))) as { revision: string } | undefined)?.revision;
/** Waits until the starter set's tag means this revision. */
const becomes = (revision: string): Promise<unknown> =>
  until(`latest means ${revision}`, async () => (await latest("starter")) === revision);

test("an origin of the starter set tells what the tag means, at hello and later", async (t) => {
  edge = await startFarm({ vars: { ORIGINS: originKeys("a") } });
  const origin = startOrigin(t, edge, "a");
  origin.announce("latest", REVISION);
  await becomes(REVISION);
  origin.announce("latest", OTHER_REVISION);
  await becomes(OTHER_REVISION);
});

test("the same announcement again writes nothing", async (t) => {
  edge = await startFarm({ vars: { ORIGINS: originKeys("a") } });
  const origin = startOrigin(t, edge, "a");
  origin.announce("latest", REVISION);
  await becomes(REVISION);
  const written = await edge.get(tagPath("starter", "latest"));
  for (let n = 0; n < 5; n += 1) origin.announce("latest", REVISION);
  // What comes after the announcements on the same socket is dealt with after them.
  assert.equal((await edge.ask(tagItems("other"))).state, "done");
  assert.deepEqual(await edge.get(tagPath("starter", "latest")), written);
});

test("what a channel's tag means is for a resolve to find out", async (t) => {
  edge = await startFarm({
    vars: { ORIGINS: originKeys("a"), PACKAGE_SET: "channel:nixos-unstable" },
  });
  const origin = startOrigin(t, edge, "a", {
    hello: { packageSet: { id: "channel", label: "channel:nixos-unstable" } },
  });
  origin.announce("latest", OTHER_REVISION);
  await origin.reached("connected");
  origin.announce("latest", OTHER_REVISION);
  // What comes after the announcements on the same socket is dealt with after them.
  assert.equal((await edge.ask(tagItems("other", "channel"))).state, "done");
  assert.equal(await latest("channel"), undefined);
  assert.equal((await edge.ask(tagItems("latest", "channel"))).state, "done");
  assert.equal(await latest("channel"), REVISION);
});
