/** What operators see and do: the API in a real Worker, with real origins over the real channel. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { FarmSchema, type FarmView } from "../../../edge/contract/farm-state.ts";
import { DrainedSchema, RestedSchema } from "../../../edge/contract/operator.ts";
import * as v from "valibot";
import { until } from "../../harness/until.ts";
import { basic, withAccounts } from "../registry/accounts.ts";
import { startOrigin, type TestOrigin } from "../registry/origin.ts";
import {
  type Answer,
  errorsOf,
  ORIGIN,
  OTHER_ORIGIN,
  putBase,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const OPERATOR = basic("root");
const start = (vars: Readonly<Record<string, string>> = {}): Promise<TestEdge> =>
  startTestEdge({ ...withAccounts({ root: { operator: true }, ci: {} }), ...vars });
const jsonOf = (answer: Answer): unknown => JSON.parse(String(answer.body));

describe("who sees what", () => {
  let closed: TestEdge;
  let open: TestEdge;
  before(async () => {
    [closed, open] = await Promise.all([start(), start({ FARM_PUBLIC: "on" })]);
  });
  after(() => Promise.all([closed.stop(), open.stop()]));

  const ROUTES = [
    ["GET", "/api/farm"],
    ["GET", "/metrics"],
    ["POST", "/api/farm/origins/test/drain"],
    ["DELETE", "/api/farm/origins/test/drain"],
    ["POST", "/api/farm/origins/test/rest?seconds=1"],
  ] as const;
  for (const [method, path] of ROUTES)
    test(`${method} ${path}: 401 for nobody and for a wrong password, 403 for another account`, async () => {
      const nobody = await send(method, closed.url + path);
      assert.equal(nobody.status, 401, String(nobody.body));
      assert.match(nobody.headers["www-authenticate"] ?? "", /^Basic /);
      const wrong = basic("root", "wrong horse battery");
      assert.equal((await send(method, closed.url + path, wrong)).status, 401);
      const other = await send(method, closed.url + path, basic("ci"));
      assert.equal(other.status, 403, String(other.body));
    });

  test("FARM_PUBLIC shows anybody the counts, and nothing else", async () => {
    const origin = await startOrigin(open);
    for (const headers of [{}, basic("ci")]) {
      const answer = await send("GET", `${open.url}/api/farm`, headers);
      assert.equal(answer.status, 200, String(answer.body));
      const { at, ...rest } = jsonOf(answer) as { at: number };
      assert.ok(at > 0);
      assert.deepEqual(rest, {
        regions: [
          {
            region: "world",
            reachable: true,
            origins: { connected: 1 },
            queued: { tags: 0, packages: 0 },
            jobs: { tags: 0, packages: 0 },
          },
        ],
      });
    }
    const wrong = basic("root", "wrong horse battery");
    assert.equal((await send("GET", `${open.url}/api/farm`, wrong)).status, 401);
    assert.equal((await send("GET", `${open.url}/metrics`)).status, 401);
    assert.equal((await send("POST", `${open.url}/api/farm/origins/test/drain`)).status, 401);
    const operators = jsonOf(await send("GET", `${open.url}/api/farm`, OPERATOR)) as FarmView;
    assert.deepEqual(operators.origins.map(({ name }) => name).sort(), ["other", "test"]);
    await origin.stop();
  });
});

test("a wrong password counts once in the limit of logins, where the counts are public too", async () => {
  const firn = await start({
    FARM_PUBLIC: "on",
    LIMIT_LOGINS: "2/60",
    CLIENT_ADDRESS_HEADER: "X-Client",
  });
  try {
    const wrong = { ...basic("root", "wrong horse battery"), "X-Client": "192.0.2.1" };
    const ask = async (): Promise<number> =>
      (await send("GET", `${firn.url}/api/farm`, wrong)).status;
    assert.deepEqual([await ask(), await ask(), await ask()], [401, 401, 429]);
  } finally {
    await firn.stop();
  }
});

describe("an operator", () => {
  let firn: TestEdge;
  let test1: TestOrigin;
  let hold: PromiseWithResolvers<void> | undefined;
  before(async () => {
    firn = await start();
    await putBase(firn.bucket);
    test1 = await startOrigin(firn, {
      gate: async () => hold?.promise,
      stock: { broken: { reason: "failed", message: "builder for broken.drv failed" } },
    });
  });
  after(async () => {
    hold?.resolve();
    await firn.stop();
  });

  const pull = (name: string): Promise<Answer> =>
    send("GET", `${firn.url}/v2/${name}/manifests/latest`);
  const farm = async (): Promise<FarmView> => {
    const answer = await send("GET", `${firn.url}/api/farm`, OPERATOR);
    assert.equal(answer.status, 200, String(answer.body));
    return v.parse(FarmSchema, jsonOf(answer));
  };
  const control = (method: string, path: string): Promise<Answer> =>
    send(method, `${firn.url}/api/farm/origins/${path}`, OPERATOR);
  const originNamed = async (name: string): Promise<FarmView["origins"][number]> => {
    const origin = (await farm()).origins.find((each) => each.name === name);
    assert.ok(origin, `no origin ${name}`);
    return origin;
  };

  test("sees every origin, connected or only configured", async () => {
    const { origins, regions } = await farm();
    assert.deepEqual(
      origins.map(({ name, state, connected }) => ({ name, state, connected })),
      [
        { name: OTHER_ORIGIN.name, state: "gone", connected: false },
        { name: ORIGIN.name, state: "connected", connected: true },
      ],
    );
    const { seen, ...said } = await originNamed(ORIGIN.name);
    assert.ok(seen !== null && Math.abs(Date.now() - seen) < 60_000);
    assert.deepEqual(
      { slots: said.slots, version: said.version, nix: said.nix, sandbox: said.sandbox },
      { slots: 4, version: "test", nix: "test", sandbox: true },
    );
    assert.deepEqual(said.systems, ["x86_64-linux", "aarch64-linux"]);
    assert.deepEqual(regions[0]?.origins.states, {
      revoked: 0,
      drained: 0,
      gone: 1,
      waiting: 0,
      leaving: 0,
      full: 0,
      rested: 0,
      connected: 1,
    });
    assert.equal(regions[0]?.origins.slots, 4);
  });

  test("sees jobs while they run, and how they ended", async () => {
    assert.equal((await pull("git")).status, 200);
    hold = Promise.withResolvers();
    const waiting = pull("curl");
    await until("a job in the farm's state", async () =>
      (await originNamed(ORIGIN.name)).jobs.packages === 1 ? true : undefined,
    );
    assert.deepEqual((await farm()).regions[0]?.jobs, { tags: 0, packages: 1 });
    hold.resolve();
    hold = undefined;
    assert.equal((await waiting).status, 200);
    assert.equal((await pull("broken")).status, 500);

    const { builds, failures, regions } = await farm();
    const made = builds.flatMap(({ items }) => items.map(({ name }) => name));
    assert.ok(
      ["latest", "git", "curl"].every((name) => made.includes(name)),
      String(made),
    );
    const [build] = builds;
    assert.equal(build?.origin, ORIGIN.name);
    assert.equal(build?.items[0]?.name, "curl", "newest first");
    assert.ok(build?.seconds !== null);
    const failed = failures.find(({ items }) => items.some(({ name }) => name === "broken"));
    assert.deepEqual(failed?.items, [
      {
        kind: "package",
        name: "broken",
        system: "x86_64-linux",
        result: "failed",
        message: "builder for broken.drv failed",
      },
    ]);
    const counts = regions[0]?.tally.items.filter(({ kind }) => kind === "package");
    assert.deepEqual(counts, [
      { kind: "package", result: "done", count: 2 },
      { kind: "package", result: "failed", count: 1 },
    ]);
  });

  test("drains an origin: it finishes what it has, and gets nothing until taken back", async () => {
    hold = Promise.withResolvers();
    const waiting = pull("made-while-draining");
    await until("a job in the farm's state", async () =>
      (await originNamed(ORIGIN.name)).jobs.packages === 1 ? true : undefined,
    );
    const drained = v.parse(DrainedSchema, jsonOf(await control("POST", "test/drain")));
    assert.deepEqual(drained, { origin: "test", drained: true, changed: true, jobs: 1 });
    hold.resolve();
    hold = undefined;
    assert.equal((await waiting).status, 200);
    const begun = test1.jobs.length;
    const { state, connected } = await originNamed(ORIGIN.name);
    assert.deepEqual({ state, connected }, { state: "drained", connected: true });
    const refused = await pull("not-now");
    assert.equal(refused.status, 503, String(refused.body));
    assert.equal(test1.jobs.length, begun, "it was given a job");

    const again = v.parse(DrainedSchema, jsonOf(await control("POST", "test/drain")));
    assert.equal(again.changed, false);
    const back = v.parse(DrainedSchema, jsonOf(await control("DELETE", "test/drain")));
    assert.deepEqual(back, { origin: "test", drained: false, changed: true, jobs: 0 });
    assert.equal((await originNamed(ORIGIN.name)).state, "connected");
    assert.equal((await pull("not-now")).status, 200);
    const [line] = await firn.logged("operator.drained");
    assert.deepEqual([line?.["origin"], line?.["account"]], ["test", "root"]);
  });

  test("rests an origin for a while, and ends that", async () => {
    const rested = v.parse(RestedSchema, jsonOf(await control("POST", "test/rest?seconds=600")));
    assert.deepEqual(rested, { origin: "test", seconds: 600, jobs: 0 });
    const { state, restUntil } = await originNamed(ORIGIN.name);
    assert.equal(state, "rested");
    assert.ok(restUntil !== null && restUntil > Date.now() + 500_000);
    const begun = test1.jobs.length;
    const waiting = pull("after-the-rest");
    await until("an item in the queue", async () =>
      (await farm()).regions[0]?.queued.packages === 1 ? true : undefined,
    );
    assert.equal(test1.jobs.length, begun, "it was given a job at rest");
    await control("POST", "test/rest?seconds=0");
    assert.equal((await waiting).status, 200);
    assert.equal((await originNamed(ORIGIN.name)).state, "connected");
  });

  test("is told what is wrong", async () => {
    for (const [method, path, status, message] of [
      ["POST", "tset/drain", 404, /there is no origin tset: ORIGINS does not name it/],
      ["POST", "tset/rest?seconds=1", 404, /there is no origin tset/],
      ["POST", "other/rest?seconds=1", 404, /other is not connected/],
      ["POST", "test/rest", 400, /seconds must be a whole number from 0 to 604800/],
      ["POST", "test/rest?seconds=-1", 400, /seconds must be/],
      ["POST", "test/rest?seconds=604801", 400, /seconds must be/],
      ["POST", "a%20b/drain", 400, /an origin's name is/],
      ["POST", "%zz/drain", 400, /an origin's name is/],
    ] as const) {
      const answer = await control(method, path);
      assert.equal(answer.status, status, `${method} ${path}: ${String(answer.body)}`);
      assert.match(errorsOf(answer)[0]?.message ?? "", message);
    }
  });
});
