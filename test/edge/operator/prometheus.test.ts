/**
 * The examples for Prometheus in Prometheus itself: it reads a running Firn, edge and origin, by
 * prometheus.yaml, and every expression of the dashboard and of the alerts is evaluated over that.
 */
import assert from "node:assert/strict";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { execa } from "execa";
import { ownPort } from "../../harness/ports.ts";
import { ORIGIN_NEEDS } from "../../../origin/local/needs.ts";
import { unavailable } from "../../harness/available.ts";
import { type Firn, startFirn } from "../../harness/firn.ts";
import { makeCertificates, OPENSSL } from "../../harness/https-server.ts";
import { PROMETHEUS, type Prometheus, startPrometheus } from "../../harness/prometheus.ts";
import { pullImage, RegistryAnswer } from "../../harness/registry-client.ts";
import { removeTree, tempDir } from "../../harness/temp.ts";
import { until } from "../../harness/until.ts";
import { tinySet } from "../../system/tiny-set.ts";
import { PASSWORD, withAccounts } from "../registry/accounts.ts";
import { EXAMPLES, example, expressionsOf, faults, rulesOf } from "./asked.ts";

/** What a dashboard fills in. */
const FILLED = { $__rate_interval: "1m", $region: ".*", $origin: ".*" } as const;
const filled = (expression: string): string =>
  Object.entries(FILLED).reduce((text, [name, value]) => text.replaceAll(name, value), expression);

/** An HTTPS proxy on a free port, as stands before an edge; `certificates` are files. */
async function startTlsProxy(target: string, certificates: { key: string; cert: string }) {
  const [key, cert] = await Promise.all([readFile(certificates.key), readFile(certificates.cert)]);
  const server = createServer({ key, cert }, ({ method, url = "/", headers }, response) => {
    const request = plainRequest(new URL(url, target), { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.once("error", () => response.destroy());
    request.end();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Places {
  readonly edge: string;
  readonly origin: string;
  readonly passwordFile: string;
}

/** The example with addresses and times of a test, each of which must be in it. */
async function configured({ edge, origin, passwordFile }: Places): Promise<string> {
  let text = await example("prometheus.yaml");
  for (const [from, to] of [
    ["registry.example.org", edge],
    ["127.0.0.1:9464", origin],
    ["/etc/prometheus/firn.password", passwordFile],
    ["interval: 30s", "interval: 1s"],
  ] as const) {
    assert.ok(text.includes(from), `prometheus.yaml has no ${from} any more`);
    text = text.replaceAll(from, to);
  }
  return text;
}

interface Target {
  readonly health: string;
  readonly lastError: string;
  readonly labels: { readonly job: string };
}
interface Rule {
  readonly name: string;
  readonly state: string;
  readonly health: string;
  readonly lastError?: string;
}

describe(
  "Prometheus with the examples",
  { skip: await unavailable([...PROMETHEUS, ...ORIGIN_NEEDS, OPENSSL]) },
  () => {
    let root: string;
    let firn: Firn;
    let proxy: Awaited<ReturnType<typeof startTlsProxy>>;
    let prometheus: Prometheus;
    let known: Map<string, Set<string>>;
    before(async () => {
      root = await tempDir("prometheus");
      const set = await tinySet(
        root,
        `tool = program "tool"; broken = mk "broken" "exit 1"; nested = { inner = program "inner"; };`,
      );
      const metricsPort = await ownPort();
      firn = await startFirn({
        packageSet: set.spec,
        edgeEnv: withAccounts({ prometheus: { operator: true } }),
        originEnv: { ...set.originEnv, METRICS_PORT: String(metricsPort) },
      });
      const { authority, ...certificates } = await makeCertificates(join(root, "tls"));
      proxy = await startTlsProxy(firn.url, certificates);
      const config = join(root, "prometheus.yaml");
      const passwordFile = join(root, "firn.password");
      await writeFile(passwordFile, PASSWORD);
      const origin = `127.0.0.1:${metricsPort}`;
      await writeFile(config, await configured({ edge: proxy.host, origin, passwordFile }));
      await copyFile(join(EXAMPLES, "alerts.yaml"), join(root, "alerts.yaml"));
      const data = join(root, "data");
      await mkdir(data);
      prometheus = await startPrometheus(config, data, { SSL_CERT_FILE: authority });
      await pullImage(firn.url, "tool");
      await assert.rejects(pullImage(firn.url, "broken"), RegistryAnswer);
      known = await scraped();
    });
    after(async () => {
      await prometheus?.stop();
      proxy?.stop();
      await firn?.stop();
      await removeTree(root);
    });

    /** Labels by metric, of all that was scraped once the pulls were counted. */
    async function scraped(): Promise<Map<string, Set<string>>> {
      for (const metric of ["firn_farm_items_total", "firn_origin_items_total"])
        await until(`${metric} of the pulls in Prometheus`, async () => {
          const found = await prometheus.query(
            `rate(${metric}{kind="package",result="failed"}[1m])`,
          );
          return found.length > 0;
        });
      const series = await prometheus.api<Record<string, string>[]>("series", {
        "match[]": '{__name__=~".+"}',
      });
      const labels = new Map<string, Set<string>>();
      for (const { __name__ = "", ...its } of series)
        labels.set(__name__, new Set([...(labels.get(__name__) ?? []), ...Object.keys(its)]));
      return labels;
    }

    test("promtool finds nothing wrong with the files", async () => {
      for (const args of [
        ["check", "config", join(root, "prometheus.yaml")],
        ["check", "config", "--syntax-only", join(EXAMPLES, "prometheus.yaml")],
        ["check", "rules", join(EXAMPLES, "alerts.yaml")],
      ]) {
        const { exitCode, all } = await execa("promtool", args, { all: true, reject: false });
        assert.equal(exitCode, 0, all);
        assert.match(all, /SUCCESS/);
      }
    });

    test("both targets answer", async () => {
      const { activeTargets } = await prometheus.api<{ activeTargets: Target[] }>("targets");
      const health = activeTargets.map(({ labels, health, lastError }) => [
        labels.job,
        health,
        lastError,
      ]);
      assert.deepEqual(health.toSorted(), [
        ["firn", "up", ""],
        ["firn-origin", "up", ""],
      ]);
    });

    test("every panel of the dashboard shows something", async () => {
      const expressions = expressionsOf(await example("grafana.json"));
      assert.ok(expressions.length > 15, "the expressions were not found");
      for (const { where, expr } of expressions) {
        assert.deepEqual(faults(expr, known), [], `${where}: ${expr}`);
        const found = await prometheus.query(filled(expr));
        assert.ok(found.length > 0, `${where} is empty: ${expr}`);
      }
    });

    test("the dashboard's variables have values", async () => {
      const { templating } = JSON.parse(await example("grafana.json")) as {
        templating: { list: { name: string; type: string; definition?: string }[] };
      };
      const asked = templating.list.filter(({ type }) => type === "query");
      assert.ok(asked.length > 0);
      for (const { name, definition = "" } of asked) {
        const [, metric = "", label = ""] = /^label_values\((\w+), (\w+)\)$/.exec(definition) ?? [];
        const values = await prometheus.api<string[]>(`label/${label}/values`, {
          "match[]": metric,
        });
        assert.ok(values.length > 0, `${name}: ${definition}`);
      }
    });

    test("every alert evaluates, and nothing is wrong with a Firn that works", async () => {
      const rules = rulesOf(await example("alerts.yaml"));
      for (const { alert = "", expr = "" } of rules) {
        assert.deepEqual(faults(expr, known), [], `${alert}: ${expr}`);
        await prometheus.query(expr);
      }
      const evaluated = await until("every rule evaluated by Prometheus", async () => {
        const { groups } = await prometheus.api<{ groups: { rules: Rule[] }[] }>("rules");
        const all = groups.flatMap((group) => group.rules);
        return all.some(({ health }) => health === "unknown") ? undefined : all;
      });
      assert.deepEqual(
        evaluated.map(({ name }) => name),
        rules.map(({ alert }) => alert),
      );
      for (const { name, state, health, lastError } of evaluated) {
        assert.equal(health, "ok", `${name}: ${lastError}`);
        assert.notEqual(state, "firing", name);
      }
    });

    test("an origin that goes away is seen by both jobs", async () => {
      await firn.origins[0]?.stop();
      for (const expr of [
        'up{job="firn-origin"} == 0',
        alertOf(await example("alerts.yaml"), "FirnNoOrigin"),
      ])
        await until(`${expr} in Prometheus`, async () => (await prometheus.query(expr)).length > 0);
    });
  },
);

const alertOf = (yaml: string, name: string): string =>
  rulesOf(yaml).find(({ alert }) => alert === name)?.["expr"] ?? "";
