/** What of the queue outlives the Farm object's memory. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, test } from "node:test";
import type { FarmOverview } from "../../../../edge/farm/overview.ts";
import { type FarmEdge, startFarm } from "../farm-edge.ts";
import { originKeys } from "../origins.ts";
import { type RawOrigin, welcomed } from "../raw-origin.ts";
import { REVISION, tagItems } from "../records.ts";

let edge: FarmEdge;
let origin: RawOrigin;
beforeEach(async () => {
  edge = await startFarm({ times: { accept: 60_000 }, vars: { ORIGINS: originKeys("a", "b") } });
  origin = await welcomed(edge, "a");
});
afterEach(async () => {
  origin.cut();
  await edge.stop();
});

const overview = async (): Promise<FarmOverview> => (await edge.farm("overview")) as FarmOverview;
const done = (job: string): void =>
  origin.say({ type: "done", job, results: [{ kind: "revision", revision: REVISION }] });

test("a job that was accepted stays with its origin when the farm loses its memory", async () => {
  const answer = edge.ask(tagItems("main"));
  const { job } = await origin.heard("job");
  origin.say({ type: "accepted", job });
  await overview();
  await edge.evictFarm("hibernate");
  await edge.lapse("accept");
  assert.equal((await overview()).tally.attemptsLost, 0);
  done(job);
  assert.equal((await answer).state, "done");
});

test("what has ended is not queued again, and may be asked for again", async () => {
  const answer = edge.ask(tagItems("main"));
  const first = await origin.heard("job");
  done(first.job);
  assert.equal((await answer).state, "done");
  await edge.evictFarm("hibernate");
  // What origins have made is forgotten, so that it is asked for again.
  await edge.farm("revoke", "b");
  const [{ jobs } = assert.fail("no origin")] = (await overview()).origins;
  assert.deepEqual(jobs, { tags: 0, packages: 0 });
  await edge.crashBuild(tagItems("main"));
  const again = edge.ask(tagItems("main"));
  const second = await origin.heard("job");
  assert.notEqual(second.job, first.job);
  done(second.job);
  assert.equal((await again).state, "done");
});
