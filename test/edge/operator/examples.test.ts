/** The dashboard and the alerts ask for metrics, labels and values that edge and origins have. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import {
  ITEM_RESULTS,
  LANES,
  NO_TALLY,
  ORIGIN_STATES,
  type RegionView,
} from "../../../edge/contract/farm-state.ts";
import { familiesOf } from "../../../edge/operator/figures.ts";
import { Slots } from "../../../origin/channel/index.ts";
import { freePort } from "../../../origin/local/ports.ts";
import { Metrics } from "../../../origin/metrics.ts";

const OPERATOR = join(import.meta.dirname, "../../../edge/operator");
const read = (name: string): Promise<string> => readFile(join(OPERATOR, name), "utf8");

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
/** What Prometheus itself adds to what it scrapes. */
const OF_PROMETHEUS = ["job", "instance"];
const FUNCTIONS = new Set(
  "sum rate increase count by on and or vector clamp_min predict_linear histogram_quantile".split(
    " ",
  ),
);
/** Labels that have few values, which are known. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  result: ITEM_RESULTS,
  lane: LANES,
  kind: ["tag", "package", "index", "level"],
  state: [...ORIGIN_STATES, "total", "used"],
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
  const port = await freePort();
  const stop = await metrics.listen(port);
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  await stop();
  for (const [, name = "", labels = ""] of text.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? \S+$/gm)) {
    const names = Array.from(labels.matchAll(/([a-z_]+)="/g), ([, label = ""]) => label);
    known.set(name, new Set([...OF_PROMETHEUS, ...names, ...(known.get(name) ?? [])]));
  }
  return known;
}

/** What of an expression nobody has: metrics, labels, values of labels. */
function faults(expression: string, known: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  const wrong: string[] = [];
  const labels = new Set<string>();
  const bare = expression
    .replace(/([a-z_0-9]+)\{([^}]*)\}/g, (_, name: string, selectors: string) => {
      for (const [, label = "", value = ""] of selectors.matchAll(/([a-z_]+)=~?"([^"]*)"/g)) {
        if (known.get(name)?.has(label) !== true) wrong.push(`${name} has no label ${label}`);
        const values = VALUES[label];
        if (values === undefined || value.startsWith("$")) continue;
        wrong.push(...value.split("|").filter((one) => !values.includes(one)));
      }
      return ` ${name} `;
    })
    .replace(/\[[^\]]*\]/g, " ")
    .replace(/\b(by|on) \(([^)]*)\)/g, (_, _how, list: string) => {
      for (const label of list.split(",")) labels.add(label.trim());
      return " ";
    });
  const used = Array.from(bare.matchAll(/[a-z_][a-z_0-9]*/g), ([name]) => name).filter(
    (name) => !FUNCTIONS.has(name),
  );
  if (used.length === 0) wrong.push("it asks for no metric");
  for (const name of used) if (!known.has(name)) wrong.push(`there is no metric ${name}`);
  for (const label of labels)
    if (!used.some((name) => known.get(name)?.has(label) === true))
      wrong.push(`nothing has the label ${label}`);
  return wrong;
}

/** The rules of alerts.yaml, which has one field a line. */
const rulesOf = (yaml: string): Record<string, string>[] =>
  yaml
    .split(/^ {6}- (?=alert:)/m)
    .slice(1)
    .map((rule) =>
      Object.fromEntries(
        Array.from(rule.matchAll(/^ *([a-z]+):[ \t]*(\S.*)$/gm), ([, field = "", value = ""]) => [
          field,
          value,
        ]),
      ),
    );

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly w: number };
  readonly targets?: readonly { readonly expr: string }[];
}

describe("the operator's examples", () => {
  let known: Map<string, Set<string>>;
  let rules: Record<string, string>[];
  before(async () => {
    known = await samples();
    rules = rulesOf(await read("examples/alerts.yaml"));
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

  test("every panel of the dashboard", async () => {
    const { panels } = JSON.parse(await read("examples/grafana.json")) as { panels: Panel[] };
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, "an id stands twice");
    const shown = panels.filter(({ type }) => type !== "row");
    assert.ok(shown.length > 10);
    for (const { title, gridPos, targets = [] } of shown) {
      assert.ok(gridPos.x + gridPos.w <= 24, `${title} is outside of the grid`);
      assert.ok(targets.length > 0, `${title} asks for nothing`);
      for (const { expr } of targets)
        assert.deepEqual(faults(expr, known), [], `${title}: ${expr}`);
    }
  });

  test("the dashboard shows every metric of the farm and of origins", async () => {
    const text = await read("examples/grafana.json");
    const families = [...known.keys()]
      .filter((name) => name.startsWith("firn_"))
      .map((name) => name.replace(/_(sum|count|bucket)$/, ""))
      .filter((name) => name !== "firn_origin_job_seconds" || text.includes(`${name}_bucket`));
    for (const name of families) assert.ok(text.includes(name), `${name} is in no panel`);
  });

  test("every alert: its expression, its fields, its place in the runbook", async () => {
    const runbook = await read("runbook.md");
    assert.ok(rules.length > 10, "the rules were not found");
    const names = rules.map(({ alert }) => alert ?? "");
    assert.equal(new Set(names).size, names.length, "an alert stands twice");
    for (const rule of rules) {
      const { alert = "", expr = "", severity = "", summary = "" } = rule;
      assert.deepEqual(faults(expr, known), [], `${alert}: ${expr}`);
      assert.match(rule["for"] ?? "", /^\d+[mh]$/, alert);
      assert.match(severity, /^(page|ticket)$/, alert);
      assert.match(summary, /^".+"$/, alert);
      assert.ok(runbook.includes(`\n### ${alert}\n`), `${alert} is not in the runbook`);
    }
    const told = Array.from(runbook.matchAll(/^### (Firn\w+)$/gm), ([, name = ""]) => name);
    assert.deepEqual(told.toSorted(), names.toSorted());
  });
});
