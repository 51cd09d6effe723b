/** `/metrics`: what a real Worker answers, read line by line as Prometheus' text format 0.0.4. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { NO_TALLY, type RegionView } from "../../../edge/contract/farm-state.ts";
import { familiesOf } from "../../../edge/operator/farm-metrics.ts";
import { exposition } from "../../../edge/operator/prometheus.ts";
import { basic, withAccounts } from "../registry/accounts.ts";
import { startOrigin } from "../registry/origin.ts";
import {
  IMPATIENT,
  ORIGIN,
  OTHER_ORIGIN,
  putBase,
  send,
  startTestEdge,
  type TestEdge,
} from "../registry/support.ts";

const LABEL = /^([a-z_]+)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/;

/** Values by family's name and labels; throws where a line breaks the format. */
function parsed(text: string): Map<string, number> {
  assert.ok(text.endsWith("\n"), "the last line does not end");
  const values = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-z_]+) \S.*$/.exec(line);
    if (help !== null) continue;
    const type = /^# TYPE ([a-z_]+) (counter|gauge|summary)$/.exec(line);
    if (type !== null) {
      assert.ok(!types.has(type[1] ?? ""), `${line} stands twice`);
      types.set(type[1] ?? "", type[2] ?? "");
      continue;
    }
    const sample = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line);
    assert.ok(sample, `no sample: ${line}`);
    const [, name = "", labels = "", value = ""] = sample;
    const family = types.has(name) ? name : name.replace(/_(sum|count)$/, "");
    const its = types.get(family);
    assert.ok(its !== undefined, `no TYPE before ${line}`);
    assert.equal(its === "counter", name.endsWith("_total"), `a counter's name: ${line}`);
    for (let rest = labels; rest !== "";) {
      const label = LABEL.exec(rest);
      assert.ok(label, `no labels: ${line}`);
      rest = rest.slice(label[0].length);
    }
    assert.ok(Number.isFinite(Number(value)), line);
    const key = `${name}{${labels}}`;
    assert.ok(!values.has(key), `${key} stands twice`);
    values.set(key, Number(value));
  }
  return values;
}

test("labels and help texts are escaped", () => {
  const text = exposition([
    {
      name: "firn_test",
      help: "a \\ and\na line",
      type: "gauge",
      samples: [
        { labels: { what: 'a "quote", a \\ and\na line' }, value: 1.5 },
        { labels: {}, value: NaN },
        { labels: {}, value: Infinity },
      ],
    },
  ]);
  assert.equal(
    text,
    [
      "# HELP firn_test a \\\\ and\\na line",
      "# TYPE firn_test gauge",
      'firn_test{what="a \\"quote\\", a \\\\ and\\na line"} 1.5',
      "firn_test NaN",
      "firn_test +Inf",
      "",
    ].join("\n"),
  );
});

test("a farm that does not answer is told as down, and its counters are left out", () => {
  const region: RegionView = {
    region: "weur",
    reachable: false,
    origins: { connected: 0, slots: 0, states: {} as RegionView["origins"]["states"] },
    queued: { tags: 0, packages: 0 },
    jobs: { tags: 0, packages: 0 },
    tally: NO_TALLY,
    uploadedToday: 0,
  };
  const samples = familiesOf([region]).flatMap((family) => family.samples.map(() => family.name));
  assert.deepEqual(samples, ["firn_farm_up"]);
});

describe("two regions", () => {
  let firn: TestEdge;
  before(async () => {
    const env = {
      ...withAccounts({ root: { operator: true } }),
      REGIONS: "weur,enam",
      ORIGINS: JSON.stringify({
        [ORIGIN.name]: { key: ORIGIN.publicKey, region: "weur" },
        [OTHER_ORIGIN.name]: { key: OTHER_ORIGIN.publicKey, region: "enam" },
      }),
    };
    firn = await startTestEdge(env, { worker: IMPATIENT });
    await putBase(firn.bucket);
  });
  after(() => firn.stop());

  const metrics = async (): Promise<Map<string, number>> => {
    const answer = await send("GET", `${firn.url}/metrics`, basic("root"));
    assert.equal(answer.status, 200, String(answer.body));
    assert.equal(answer.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    return parsed(String(answer.body));
  };

  test("every figure, by region", async () => {
    const before = await metrics();
    for (const region of ["weur", "enam"]) {
      assert.equal(before.get(`firn_farm_up{region="${region}"}`), 1);
      assert.equal(before.get(`firn_farm_origins{region="${region}",state="gone"}`), 1);
      assert.equal(before.get(`firn_farm_attempts_lost_total{region="${region}"}`), 0);
    }
    await startOrigin(firn, {
      stock: {
        broken: { reason: "failed", message: "it does not build" },
        unlucky: { reason: "error", message: "its disk is gone" },
      },
    });
    const pull = async (name: string): Promise<number> =>
      (await send("GET", `${firn.url}/v2/${name}/manifests/latest`)).status;
    assert.equal(await pull("git"), 200);
    assert.equal(await pull("broken"), 500);
    assert.ok((await pull("unlucky")) >= 500);

    const now = await metrics();
    const value = (name: string, labels: string): number | undefined =>
      now.get(`firn_farm_${name}{region="weur"${labels}}`);
    assert.equal(value("origins", ',state="connected"'), 1);
    assert.equal(value("slots", ""), 4);
    for (const lane of ["tags", "packages"]) {
      assert.equal(value("jobs", `,lane="${lane}"`), 0);
      assert.equal(value("items_queued", `,lane="${lane}"`), 0);
    }
    assert.equal(value("items_total", ',kind="tag",result="done"'), 1);
    assert.equal(value("items_total", ',kind="package",result="done"'), 1);
    assert.equal(value("items_total", ',kind="package",result="failed"'), 1);
    assert.equal(value("items_total", ',kind="package",result="error"'), 1, "given up");
    assert.equal(value("attempts_lost_total", ""), 3);
    assert.equal(value("job_seconds_count", ',lane="tags"'), 1);
    assert.ok((value("job_seconds_count", ',lane="packages"') ?? 0) >= 2);
    assert.ok((value("job_seconds_sum", ',lane="packages"') ?? 0) > 0);
    assert.equal(value("upload_bytes_today", ""), 0, "this origin writes blobs itself");
    assert.equal(now.get('firn_farm_origins{region="enam",state="connected"}'), 0);
    assert.equal(now.get('firn_farm_origins{region="enam",state="gone"}'), 1);
    const drain = `${firn.url}/api/farm/origins/${ORIGIN.name}/drain`;
    assert.equal((await send("POST", drain, basic("root"))).status, 200);
    const drained = await metrics();
    const count = (region: string): number | undefined =>
      drained.get(`firn_farm_origins{region="${region}",state="drained"}`);
    assert.deepEqual([count("weur"), count("enam")], [1, 0], "it counts once, where it is");
    assert.equal(
      [...now.keys()].filter((key) => /^firn_farm_items_total.*enam/.test(key)).length,
      0,
    );
  });
});
