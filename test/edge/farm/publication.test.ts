/** From results to records, where the bucket has something to say about it. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Answer } from "../../../edge/farm/answer.ts";
import type { Result } from "../../../edge/contract/messages.ts";
import { indexPath, levelPath, packagePath } from "../../../edge/contract/keys.ts";
import { eventually } from "../../harness/soon.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { honest, originKeys, startOrigin } from "./origins.ts";
import {
  indexItem,
  indexRecord,
  levelRecord,
  packageItems,
  packageRecord,
  SCOPE,
} from "./records.ts";

let edge: FarmEdge;
before(async () => {
  edge = await startFarm({ times: { avoid: 50 }, vars: { ORIGINS: originKeys("a") } });
});
after(() => edge.stop());

const resultOf = (answer: Answer): Result | undefined =>
  answer.state === "done" ? answer.results[0] : undefined;

/** Waits until the log tells that an item was given up for this; the client is not told. */
const givenUpFor = (cause: RegExp): Promise<void> =>
  eventually(`an item is given up for ${cause}`, () =>
    edge.events("job.give-up").some(({ trouble }) => cause.test(String(trouble))),
  );

test("a record that is there already stays, and is the answer: everybody sees the same", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const items = packageItems(["git"]);
  const earlier = { ...(await packageRecord(edge, "git")), version: "0.9" };
  await edge.put(packagePath(SCOPE, "git"), JSON.stringify(earlier));
  assert.deepEqual(resultOf(await edge.ask(items)), {
    kind: "package",
    record: earlier,
  });
  assert.deepEqual(await edge.get(packagePath(SCOPE, "git")), earlier);
});

test("a record that nobody can read is replaced", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const items = packageItems(["curl"]);
  await edge.put(packagePath(SCOPE, "curl"), '{"format":0}');
  const record = await packageRecord(edge, "curl");
  assert.deepEqual(resultOf(await edge.ask(items)), { kind: "package", record });
  assert.deepEqual(await edge.get(packagePath(SCOPE, "curl")), record);
});

test("the layers of a level belong to a package whose record is there, or comes with them", async (t) => {
  const origin = startOrigin(t, edge, "a");
  await origin.reached("connected");
  const alone = resultOf(await edge.ask(packageItems(["orphan~1"])));
  assert.equal(alone?.kind, "failure");
  await givenUpFor(/there is no record of orphan/);
  assert.equal(await edge.get(levelPath(SCOPE, "orphan", 1)), undefined);
  assert.equal((await edge.ask(packageItems(["both", "both~1"]))).state, "done");
  assert.deepEqual(await edge.get(levelPath(SCOPE, "both", 1)), await levelRecord(edge, 1));
});

test("a level's layers are those that the package's record announced", async (t) => {
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) => {
      const [item] = items;
      if (item?.kind !== "package" || item.level === undefined) return honest(edge)(items, context);
      const { layers } = await packageRecord(edge, "jq");
      const record = { ...(await levelRecord(edge, 1)), layers: layers.slice(1) };
      return [{ kind: "level", record }];
    },
  });
  await origin.reached("connected");
  assert.equal((await edge.ask(packageItems(["jq"]))).state, "done");
  const wrong = resultOf(await edge.ask(packageItems(["jq~1"])));
  assert.equal(wrong?.kind, "failure");
  await givenUpFor(/are not the parts of level 1/);
});

test("an index is written when its names are in the bucket, and only then", async (t) => {
  const origin = startOrigin(t, edge, "a", {
    run: async (items, context) => {
      const [item] = items;
      if (item?.kind !== "index" || item.path[0] !== "lost") return honest(edge)(items, context);
      const record = await indexRecord({ put: () => Promise.resolve() }, item);
      const names = { ...record.names, digest: `sha256:${"0".repeat(64)}` as const };
      return [{ kind: "index", record: { ...record, names } }];
    },
  });
  await origin.reached("connected");
  const items = [indexItem(), indexItem(["python3Packages"])];
  assert.equal((await edge.ask(items)).state, "done");
  for (const item of items)
    assert.deepEqual(
      await edge.get(indexPath(SCOPE, item.path)),
      await indexRecord(edge, item),
      item.path.join(),
    );
  const lost = resultOf(await edge.ask([indexItem(["lost"])]));
  assert.equal(lost?.kind === "failure" ? lost.failure.reason : lost?.kind, "error");
  assert.equal(await edge.get(indexPath(SCOPE, ["lost"])), undefined);
});
