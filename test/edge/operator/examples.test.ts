/** The dashboard and the alerts ask for metrics, labels and values that edge and origins have. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { NO_TALLY, ORIGIN_STATES, type RegionView } from "../../../edge/contract/farm-state.ts";
import { familiesOf } from "../../../edge/operator/farm-metrics.ts";
import { Slots } from "../../../origin/channel/index.ts";
import { ownPort } from "../../harness/ports.ts";
import { Metrics } from "../../../origin/metrics.ts";
import { example, faults, OF_PROMETHEUS, rulesOf } from "./asked.ts";

const RUNBOOK = join(import.meta.dirname, "../../../edge/operator/runbook.md");

const count = { kind: "package", result: "done", count: 1 } as const;
const FARM: RegionView = {
  region: "world",
  reachable: true,
  origins: {
    connected: 0,
    slots: 0,
    states: Object.fromEntries(ORIGIN_STATES.map((state) => [state, 0])) as Record<
      (typeof ORIGIN_STATES)[number],
      number
    >,
  },
  queued: { tags: 0, packages: 0 },
  jobs: { tags: 0, packages: 0 },
  tally: { ...NO_TALLY, items: [count] },
  uploadedToday: 0,
};

/** Labels by sample, of the farm's figures and of an origin's exposition. */
async function samples(): Promise<Map<string, Set<string>>> {
  const known = new Map([["up", new Set(OF_PROMETHEUS)]]);
  for (const { name, samples } of familiesOf([FARM]))
    for (const { suffix = "", labels } of samples)
      known.set(`${name}${suffix}`, new Set([...OF_PROMETHEUS, ...Object.keys(labels)]));
  const metrics = new Metrics({
    version: "1.2.3",
    slots: new Slots(1),
    connections: () => new Map([["edge.example", true]]),
    status: () => ({ accepting: true, freeBytes: 1 }),
  });
  await metrics.counted(() => Promise.resolve([{ kind: "revision", revision: "a".repeat(40) }]))(
    [{ kind: "tag", packageSet: "starter", tag: "latest" }],
    {} as Parameters<ReturnType<Metrics["counted"]>>[1],
  );
  const port = await ownPort();
  const stop = await metrics.listen(port);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  await stop();
  for (const [, name = "", labels = ""] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? \S+$/gm)) {
    const names = Array.from(labels.matchAll(/([a-z_]+)="/g), ([, label = ""]) => label);
    known.set(name, new Set([...OF_PROMETHEUS, ...names, ...(known.get(name) ?? [])]));
  }
  return known;
}

interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}
interface Source {
  readonly type: string;
  readonly uid: string;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: Source;
  readonly gridPos: Place;
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: Source;
  }[];
}
interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly query: unknown;
      readonly datasource?: Source;
    }[];
  };
}

/** What Grafana gives a dashboard of today; it migrates older ones itself, and refuses none. */
const OLDEST_SCHEMA = 36;
/** Columns of a dashboard. */
const COLUMNS = 24;
/** Of panels, those that every Grafana has since 8. */
const PANEL_TYPES = new Set(["stat", "timeseries"]);

const overlap = (a: Place, b: Place): boolean =>
  a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;

describe("the operator's examples", () => {
  let known: Map<string, Set<string>>;
  let rules: Record<string, string>[];
  before(async () => {
    known = await samples();
    rules = rulesOf(await example("alerts.yaml"));
  });
  after(() => known.clear());

  test("the check itself finds what does not exist", () => {
    assert.deepEqual(faults("sum by (region) (firn_farm_up)", known), []);
    for (const [wrong, expected] of [
      ["firn_farm_down == 1", "there is no metric firn_farm_down"],
      ['firn_farm_up{lane="tags"}', "firn_farm_up has no label lane"],
      ['firn_farm_origins{state="lost"}', "lost"],
      ["sum by (edge) (firn_farm_up)", "nothing has the label edge"],
    ] as const)
      assert.deepEqual(faults(wrong, known), [expected]);
  });

  test("the dashboard has the form that Grafana imports", async () => {
    const { uid, schemaVersion, panels, templating } = JSON.parse(
      await example("grafana.json"),
    ) as Dashboard;
    assert.match(uid, /^[a-zA-Z0-9_-]{1,40}$/);
    assert.ok(schemaVersion >= OLDEST_SCHEMA, `schemaVersion ${schemaVersion}`);
    const variables = templating.list.map(({ name }) => name);
    assert.equal(new Set(variables).size, variables.length, "a variable stands twice");
    const [first, ...others] = templating.list;
    assert.deepEqual(
      [first?.name, first?.type, first?.query],
      ["datasource", "datasource", "prometheus"],
    );
    const source = { type: "prometheus", uid: "${datasource}" };
    for (const { name, datasource } of others) assert.deepEqual(datasource, source, name);
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, "an id stands twice");
    for (const [at, { id, type, title, gridPos, datasource, targets = [] }] of panels.entries()) {
      assert.ok(Number.isInteger(id) && id > 0, `${title} has the id ${id}`);
      const { x, y, w, h } = gridPos;
      assert.ok(x >= 0 && y >= 0 && w > 0 && h > 0 && x + w <= COLUMNS, `${title} is off the grid`);
      for (const other of panels.slice(at + 1))
        assert.ok(!overlap(gridPos, other.gridPos), `${title} overlaps ${other.title}`);
      if (type === "row") continue;
      assert.ok(PANEL_TYPES.has(type), `${title} is a ${type}`);
      assert.deepEqual(datasource, source, title);
      assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
      for (const target of targets) assert.deepEqual(target.datasource, source, title);
      for (const [, name = ""] of JSON.stringify(targets).matchAll(/\$\{?(\w+)/g))
        assert.ok(
          name.startsWith("__") || variables.includes(name),
          `${title}: there is no $${name}`,
        );
    }
  });

  test("every panel of the dashboard", async () => {
    const { panels } = JSON.parse(await example("grafana.json")) as Dashboard;
    const shown = panels.filter(({ type }) => type !== "row");
    assert.ok(shown.length > 10);
    for (const { title, targets = [] } of shown) {
      assert.ok(targets.length > 0, `${title} asks for nothing`);
      for (const { expr } of targets)
        assert.deepEqual(faults(expr, known), [], `${title}: ${expr}`);
    }
  });

  test("the dashboard shows every metric of the farm and of origins", async () => {
    const text = await example("grafana.json");
    const families = [...known.keys()]
      .filter((name) => name.startsWith("firn_"))
      .map((name) => name.replace(/_(sum|count|bucket)$/, ""))
      .filter((name) => name !== "firn_origin_job_seconds" || text.includes(`${name}_bucket`));
    for (const name of families) assert.ok(text.includes(name), `${name} is in no panel`);
  });

  test("every alert: its expression, its fields, its place in the runbook", async () => {
    const runbook = await readFile(RUNBOOK, "utf8");
    assert.ok(rules.length > 10, "the rules were not found");
    const names = rules.map(({ alert }) => alert ?? "");
    assert.equal(new Set(names).size, names.length, "an alert stands twice");
    for (const rule of rules) {
      const { alert = "", expr = "", severity = "", summary = "" } = rule;
      assert.deepEqual(faults(expr, known), [], `${alert}: ${expr}`);
      assert.match(rule["for"] ?? "", /^\d+[mh]$/, alert);
      assert.match(severity, /^(page|ticket)$/, alert);
      assert.match(summary, /^(["']).+\1$/, alert);
      assert.ok(runbook.includes(`\n### ${alert}\n`), `${alert} is not in the runbook`);
    }
    const told = Array.from(runbook.matchAll(/^### (Firn\w+)$/gm), ([, name = ""]) => name);
    assert.deepEqual(told.toSorted(), names.toSorted());
  });
});
