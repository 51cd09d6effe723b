/** What of the queue outlives the Farm object's memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { FarmOverview } from "../../../../edge/farm/overview.ts";
import { startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";
import { hello, rawOrigin } from "../raw-origin.ts";
import { REVISION, tagItems } from "../records.ts";

test("a job that was accepted stays with its origin when the farm loses its memory", async () => {
  const edge = await startFarm({
    times: { accept: 60_000 },
    vars: { ORIGINS: originKeys("a") },
  });
  try {
    const origin = await rawOrigin(edge, "a");
    origin.say(hello);
    await origin.heard("welcome");
    const answer = edge.ask(tagItems("main"));
    const { job } = await origin.heard("job");
    origin.say({ type: "accepted", job });
    const overview = async (): Promise<FarmOverview> =>
      (await edge.farm("overview")) as FarmOverview;
    await overview();
    await edge.evictFarm("hibernate");
    await edge.lapse("accept");
    assert.equal((await overview()).tally.attemptsLost, 0);
    const results = [{ kind: "revision", revision: REVISION }];
    origin.say({ type: "done", job, results });
    assert.equal((await answer).state, "done");
    origin.cut();
  } finally {
    await edge.stop();
  }
});
