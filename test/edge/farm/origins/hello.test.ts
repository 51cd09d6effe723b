/** A connection on which nothing is said is closed by the farm's alarm, hibernation or not. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { CLOSE } from "../../../../edge/contract/messages.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";
import { rawOrigin } from "../raw-origin.ts";

let edge: FarmEdge;
afterEach(() => edge?.stop());

test("no hello: closed with a reason, also when the farm has lost its memory meanwhile", async () => {
  edge = await startFarm({ times: { hello: 2_000 }, vars: { ORIGINS: originKeys("a", "b") } });
  const [a, b] = [await rawOrigin(edge, "a"), await rawOrigin(edge, "b")];
  await edge.evictFarm("hibernate");
  for (const origin of [a, b]) {
    assert.equal(await origin.closed(), CLOSE.lost);
    assert.equal(await origin.closedBecause(), "no hello within 2 s of connecting");
  }
  const mute = await edge.logged("origin.mute", 2);
  assert.deepEqual(mute.map(({ origin }) => origin).sort(), ["a", "b"]);
});
