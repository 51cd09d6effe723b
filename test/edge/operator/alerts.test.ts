/** The alerts, by Prometheus' own `promtool test rules`: each fires when it should, and only then. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { unavailable } from "../../harness/available.ts";
import { PROMETHEUS } from "../../harness/prometheus.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { type Series, type Situation, SITUATIONS } from "./alert-situations.ts";
import { EXAMPLES, example, rulesOf } from "./asked.ts";

/** Minutes after which the rules need not be evaluated every minute. */
const LONG = 600;
/** How often a situation in which nothing may fire is looked at. */
const LOOKS = 30;

const seriesOf = (series: Series): object[] =>
  Object.entries(series).map(([name, values]) => ({ series: name, values }));

/** Tests as promtool reads them: its file is YAML, of which JSON is a part. */
function testsOf(alertname: string, situation: Situation, severity: string): object[] {
  const { fires, at, notYet, labels, summary, quiet } = situation;
  const quietAt = (minutes: number) => ({ ...timed(minutes), exp_alerts: [] });
  const timed = (minutes: number) => ({ alertname, eval_time: `${Math.round(minutes)}m` });
  const alert = { exp_labels: { severity, ...labels }, exp_annotations: { summary } };
  return [
    {
      input_series: seriesOf(fires),
      alert_rule_test: [quietAt(notYet), { ...timed(at), exp_alerts: [alert] }],
    },
    ...quiet.map((series) => ({
      input_series: seriesOf(series),
      alert_rule_test: Array.from({ length: LOOKS }, (_, look) =>
        quietAt((at * (look + 1)) / LOOKS),
      ),
    })),
  ];
}

describe("alerts", { skip: await unavailable(PROMETHEUS) }, () => {
  let dir: string;
  let rules: Record<string, string>[];
  before(async () => {
    dir = await tempDir("alerts");
    rules = rulesOf(await example("alerts.yaml"));
  });
  after(() => removeTree(dir));

  test("there is a situation for each alert", () => {
    assert.ok(rules.length > 10, "the rules were not found");
    const names = rules.map(({ alert }) => alert);
    assert.deepEqual(Object.keys(SITUATIONS).toSorted(), names.toSorted());
  });

  for (const [alert, situation] of Object.entries(SITUATIONS))
    test(alert, async () => {
      const severity = rules.find((rule) => rule["alert"] === alert)?.["severity"] ?? "";
      const file = join(dir, `${alert}.yaml`);
      await writeFile(
        file,
        JSON.stringify({
          rule_files: [join(EXAMPLES, "alerts.yaml")],
          evaluation_interval: situation.at > LONG ? "30m" : "1m",
          tests: testsOf(alert, situation, severity).map((each) => ({ interval: "1m", ...each })),
        }),
      );
      const { exitCode, all } = await execa("promtool", ["test", "rules", file], {
        all: true,
        reject: false,
      });
      assert.equal(exitCode, 0, all);
      assert.match(all, /SUCCESS/);
    });
});
