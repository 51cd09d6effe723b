/** Several farms: whose origins build what, and what is handed on. */
import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { configured, startOrigin } from "./origins.ts";
import { packageItems } from "./records.ts";

let edge: FarmEdge;
afterEach(() => edge.stop());

const WEST_FIRST = { regions: ["weur", "enam"] } as const;
const EAST_FIRST = { regions: ["enam", "weur"] } as const;

const never = () => new Promise<never>(() => undefined);

/** Origin a in Western Europe, b in Eastern North America. */
async function start(vars: Readonly<Record<string, string>> = {}): Promise<void> {
  edge = await startFarm({
    vars: {
      REGIONS: "weur,enam",
      ORIGINS: JSON.stringify({
        ...JSON.parse(configured(["a"], { region: "weur" })),
        ...JSON.parse(configured(["b"], { region: "enam" })),
      }),
      ...vars,
    },
    times: { reconnect: 500 },
  });
}

test("a client's packages are built in its own region", async (t) => {
  await start();
  const [a, b] = [startOrigin(t, edge, "a"), startOrigin(t, edge, "b")];
  await Promise.all([a.reached("connected"), b.reached("connected")]);
  await edge.ask(packageItems(["git"]), 20_000, WEST_FIRST);
  assert.deepEqual([a.names(), b.names()], [[["git"]], []]);
  await edge.ask(packageItems(["curl"]), 20_000, EAST_FIRST);
  assert.deepEqual([a.names(), b.names()], [[["git"]], [["curl"]]]);
});

test("a region without a fitting origin hands the items to the next", async (t) => {
  await start();
  const b = startOrigin(t, edge, "b");
  await b.reached("connected");
  const answer = await edge.ask(packageItems(["git"]), 20_000, WEST_FIRST);
  assert.equal(answer.state, "done");
  assert.deepEqual(b.names(), [["git"]]);
});

test("one item is built once in the world, whoever asks where", async (t) => {
  await start();
  const [a, b] = [startOrigin(t, edge, "a"), startOrigin(t, edge, "b")];
  await Promise.all([a.reached("connected"), b.reached("connected")]);
  const answers = await Promise.all(
    [WEST_FIRST, EAST_FIRST].map((order) => edge.ask(packageItems(["git"]), 20_000, order)),
  );
  assert.deepEqual(
    answers.map(({ state }) => state),
    ["done", "done"],
  );
  assert.equal(a.jobs.length + b.jobs.length, 1);
});

test("a region that loses its origins during a build hands it on, unnoticed", async (t) => {
  await start();
  const a = startOrigin(t, edge, "a", {
    run: (_, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      ),
  });
  const b = startOrigin(t, edge, "b");
  await Promise.all([a.reached("connected"), b.reached("connected")]);
  const answer = edge.ask(packageItems(["git"]), 20_000, WEST_FIRST);
  await a.begun(1);
  await a.drain();
  assert.equal((await answer).state, "done");
  assert.deepEqual(b.names(), [["git"]]);
});

test("a full queue in one region is not the end: the next takes the items", async (t) => {
  await start({ QUEUE_TOTAL: "1" });
  const a = startOrigin(t, edge, "a", { run: never, hello: { slots: 1 } });
  const b = startOrigin(t, edge, "b");
  await Promise.all([a.reached("connected"), b.reached("connected")]);
  const one = edge.ask(packageItems(["one"]), 2_000, WEST_FIRST);
  await a.begun(1);
  const two = edge.ask(packageItems(["two"]), 2_000, WEST_FIRST);
  const answer = await edge.ask(packageItems(["three"]), 20_000, WEST_FIRST);
  assert.equal(answer.state, "done");
  assert.deepEqual(b.names().at(-1), ["three"]);
  assert.deepEqual([await one, await two], [{ state: "building" }, { state: "building" }]);
});

test("no region has an origin: that is the answer", async () => {
  await start();
  const answer = await edge.ask(packageItems(["git"]), 20_000, WEST_FIRST);
  assert.deepEqual(answer, { state: "no-origin" });
});
