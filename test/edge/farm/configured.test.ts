/** What ORIGINS and EDGE_HOST let a connected origin do: over real connections. */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import { pino } from "pino";
import { tagPath } from "../../../edge/contract/keys.ts";
import { until } from "../../harness/until.ts";
import { type FarmEdge, startFarm } from "./farm-edge.ts";
import { configured, gate, honest, startOrigin } from "./origins.ts";
import { packageItems, tagItems } from "./records.ts";

const REVISION = "f".repeat(40);

describe("an origin is given what ORIGINS allows it", { timeout: 120_000 }, () => {
  let edge: FarmEdge;
  afterEach(() => edge.stop());
  const start = async (vars: Record<string, string>): Promise<void> => {
    edge = await startFarm({ vars });
  };

  test("one job at once, however many it offers to do", async (t) => {
    await start({ ORIGINS: configured(["a"], { slots: 1 }) });
    const held = gate();
    const run = async (...args: Parameters<ReturnType<typeof honest>>) => {
      await held.opened;
      return honest(edge)(...args);
    };
    const origin = startOrigin(t, edge, "a", { hello: { slots: 9 }, run });
    await origin.reached("connected");
    const first = edge.ask(packageItems(["git"]));
    await origin.begun(1);
    const second = edge.ask(packageItems(["curl"]));
    // A second job of this origin would be begun by now.
    assert.equal((await edge.ask(packageItems(["jq"]), 1_000)).state, "building");
    assert.equal(origin.jobs.length, 1);
    held.open();
    assert.equal((await first).state, "done");
    assert.equal((await second).state, "done");
  });

  test("no job of a system that it claims and may not build for", async (t) => {
    await start({ ORIGINS: configured(["a"], { systems: ["aarch64-linux"] }) });
    const systems = ["x86_64-linux", "aarch64-linux"] as const;
    const origin = startOrigin(t, edge, "a", { hello: { systems } });
    await origin.reached("connected");
    assert.equal((await edge.ask(packageItems(["git"]))).state, "no-origin");
    assert.equal(origin.jobs.length, 0);
  });

  test("no tag but those that are its own: neither announced nor resolved", async (t) => {
    await start({ ORIGINS: configured(["a"], { tags: ["v*"] }) });
    const origin = startOrigin(t, edge, "a");
    await origin.reached("connected");
    origin.announce("latest", REVISION);
    origin.announce("v1", REVISION);
    await until(
      "the tag v1 is written",
      async () => (await edge.get(tagPath("starter", "v1"))) !== undefined,
    );
    assert.equal(await edge.get(tagPath("starter", "latest")), undefined);
    assert.equal((await edge.ask(tagItems("v2"))).state, "done");
    assert.equal((await edge.ask(tagItems("latest"), 3_000)).state, "no-origin");
    assert.equal(origin.jobs.length, 1);
  });
});

const others = (host: string): string => `${host},0.0.0.0:1`;

describe("an edge that other machines reach", { timeout: 120_000 }, () => {
  let edge: FarmEdge;
  afterEach(() => edge.stop());

  for (const [what, hello, reason] of [
    ["without a sandbox", { sandbox: false }, /no origin that builds without a sandbox/],
    ["with a vulnerable Nix", { nixVulnerable: true }, /no Nix whose sandbox leaks, as 2\.8\.0/],
  ] as const)
    test(`an origin ${what} is refused, and both operators read why`, async (t) => {
      edge = await startFarm({ vars: { ORIGINS: configured(["a"]) } });
      await edge.restart({ ORIGINS: configured(["a"]), EDGE_HOST: others(edge.host) });
      const logs: string[] = [];
      const logger = pino({ level: "info" }, { write: (line: string) => void logs.push(line) });
      const origin = startOrigin(t, edge, "a", { hello, logger });
      await origin.reached("waiting");
      assert.match(String((await edge.logged("origin.mismatch"))[0]?.["reason"]), reason);
      assert.ok(
        logs.some((line) => reason.test(line)),
        "the origin's own log does not say it",
      );
      await edge.restart({
        ORIGINS: configured(["a"]),
        EDGE_HOST: others(edge.host),
        ALLOW_UNSAFE_ORIGINS: "on",
      });
      const allowed = startOrigin(t, edge, "a", { hello });
      await allowed.reached("connected");
    });
});
