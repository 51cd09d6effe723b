/** From results to records, where the bucket has something to say about it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Answer } from "../../../edge/farm/answer.ts";
import type { Outcome } from "../../../edge/contract/messages.ts";
import { levelPath, packagePath } from "../../../edge/contract/keys.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { honest, originKeys, startOrigin } from "./origins.ts";
import { levelRecord, packageRecord, publishJob } from "./records.ts";

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({ times: { avoid: 50 }, vars: { ORIGIN_KEYS: originKeys("a") } });
});
after(() => edge.stop());

const outcome = (answer: Answer): Outcome | undefined =>
  answer.state === "done" && answer.result.kind === "published"
    ? answer.result.outcomes[0]
    : undefined;

test("a record that is there already stays, and is the answer: everybody sees the same", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const work = publishJob(["git"]);
  const earlier = { ...(await packageRecord(edge, work, "git")), version: "0.9" };
  await edge.put(packagePath(work, "git"), JSON.stringify(earlier));
  assert.deepEqual(outcome(await edge.ask(work)), {
    kind: "package",
    name: "git",
    record: earlier,
  });
  assert.deepEqual(await edge.get(packagePath(work, "git")), earlier);
});

test("a record that nobody can read is replaced", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const work = publishJob(["curl"]);
  await edge.put(packagePath(work, "curl"), '{"format":0}');
  const record = await packageRecord(edge, work, "curl");
  assert.deepEqual(outcome(await edge.ask(work)), { kind: "package", name: "curl", record });
  assert.deepEqual(await edge.get(packagePath(work, "curl")), record);
});

test("the layers of a level belong to a package whose record is there, or comes with them", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const alone = outcome(await edge.ask(publishJob(["orphan~1"])));
  assert.match(
    alone?.kind === "failure" ? alone.failure.message : "",
    /there is no record of orphan/,
  );
  assert.equal(await edge.get(levelPath(publishJob(["orphan"]), "orphan", 1)), undefined);
  assert.equal((await edge.ask(publishJob(["both", "both~1"]))).state, "done");
  assert.deepEqual(
    await edge.get(levelPath(publishJob(["both"]), "both", 1)),
    await levelRecord(edge, 1),
  );
});

test("a level's layers are those that the package's record announced", async (t) => {
  const work = publishJob(["jq"]);
  const origin = startOrigin(t, edge, "a", {
    run: async (given, context) => {
      if (given.kind !== "publish" || given.items[0]?.level === undefined)
        return honest(edge)(given, context);
      const { layers } = await packageRecord(edge, work, "jq");
      return {
        kind: "published",
        outcomes: [
          {
            kind: "level",
            name: "jq",
            record: { ...(await levelRecord(edge, 1)), layers: layers.slice(1) },
          },
        ],
      };
    },
  });
  await origin.reached("connected");
  assert.equal((await edge.ask(work)).state, "done");
  const wrong = outcome(await edge.ask(publishJob(["jq~1"])));
  assert.match(
    wrong?.kind === "failure" ? wrong.failure.message : "",
    /are not the parts of level 1/,
  );
});
