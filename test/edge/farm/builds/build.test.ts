/** A build whose items end at different times: what it says of the first when the last has ended. */
import assert from "node:assert/strict";
import { afterEach, test, type TestContext } from "node:test";
import { packagePath } from "../../../../edge/contract/keys.ts";
import { soon } from "../../../harness/soon.ts";
import { type FarmEdge, type FarmOptions, startFarm } from "../farm-edge.ts";
import { gate, honest, originKeys, startOrigin } from "../origins.ts";
import { packageItems, packageRecord, SCOPE } from "../records.ts";

let edge: FarmEdge;
afterEach(() => edge?.stop());

/** No test waits for this, ms. */
const NEVER = 10 * 60_000;

/** An origin that makes these packages when their gates open, and everything else at once. */
async function start<Name extends string>(
  t: TestContext,
  times: NonNullable<FarmOptions["times"]>,
  ...slow: readonly Name[]
) {
  edge = await startFarm({ times, vars: { ORIGINS: originKeys("a") } });
  const gates = new Map<string, ReturnType<typeof gate>>(slow.map((name) => [name, gate()]));
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) => {
      for (const item of items) if (item.kind === "package") await gates.get(item.name)?.opened;
      return honest(edge)(items, context);
    },
  });
  await origin.reached("connected");
  return { origin, open: (name: Name): void => gates.get(name)?.open() };
}
const GIT = packagePath(SCOPE, "git");
const BOTH = packageItems(["git", "slow"]);

test("a record that was withdrawn while others of its build run is made again", async (t) => {
  const { origin, open } = await start(t, { kept: 0 }, "slow");
  assert.equal((await edge.ask(packageItems(["git"]))).state, "done");
  const answer = edge.ask(BOTH);
  await origin.begun(2);
  await edge.delete(GIT);
  open("slow");
  const [git, slow] = [await packageRecord(edge, "git"), await packageRecord(edge, "slow")];
  assert.deepEqual(await answer, {
    state: "done",
    results: [
      { kind: "package", record: git },
      { kind: "package", record: slow },
    ],
  });
  assert.deepEqual(await edge.get(GIT), git);
  assert.deepEqual(origin.names(), [["git"], ["slow"], ["git"]]);
  await edge.logged("build.withdrawn");
});

test("one that another origin made anew meanwhile is given out as it is now", async (t) => {
  const { origin, open } = await start(t, { kept: 0 }, "slow");
  assert.equal((await edge.ask(packageItems(["git"]))).state, "done");
  const answer = edge.ask(BOTH);
  await origin.begun(2);
  const anew = { ...(await packageRecord(edge, "git")), version: "2.0" };
  await edge.put(GIT, JSON.stringify(anew));
  open("slow");
  const given = await answer;
  assert.deepEqual(given.state === "done" && given.results[0], { kind: "package", record: anew });
  assert.equal(origin.jobs.length, 2);
});

test("records that were seen a moment ago are not read again", async (t) => {
  const { origin, open } = await start(t, { kept: NEVER }, "slow");
  const answer = edge.ask(BOTH);
  await origin.begun(1);
  open("slow");
  assert.equal((await answer).state, "done");
  await edge.delete(GIT);
  assert.equal((await edge.ask(BOTH)).state, "done");
  assert.equal(origin.jobs.length, 1);
});

test("an object that was lost, and told of one item before it is asked, tells of the others too", async (t) => {
  const { origin, open } = await start(t, { recheck: NEVER, slice: NEVER }, "git", "slow");
  const first = edge.ask(packageItems(["git"]));
  await origin.begun(1);
  assert.deepEqual(await edge.ask(BOTH, 1), { state: "building" });
  await origin.begun(2);
  await edge.crashBuild(BOTH);
  open("git");
  assert.equal((await first).state, "done");
  const answer = edge.ask(BOTH, NEVER);
  open("slow");
  assert.equal((await soon("who waits is told", answer)).state, "done");
  assert.deepEqual(origin.names(), [["git"], ["slow"]]);
});
