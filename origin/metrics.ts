/**
 * An origin's metrics for Prometheus, at http://127.0.0.1:METRICS_PORT/metrics: on loopback alone,
 * so a scraper elsewhere needs a proxy or an agent on this machine.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { Run } from "./channel/index.ts";
import { requirePort } from "./local/ports.ts";

const LOOPBACK = "127.0.0.1";
/** Upper bounds of the histogram, seconds: from resolving a known tag to a long build. */
const BUCKETS = [0.1, 0.3, 1, 3, 10, 30, 100, 300, 1_000, 3_000];

/** Where the values come from, at each scrape. */
export interface MetricsSources {
  readonly version: string;
  /** Jobs that it can run at once, and runs now. */
  readonly slots: { readonly total: number; readonly used: number };
  /** Whether it is connected, by the edge's host. */
  readonly connections: () => ReadonlyMap<string, boolean>;
  /** Whether it takes jobs, and the bytes that are free on the disk of its store. */
  readonly status: () => { readonly accepting: boolean; readonly freeBytes?: number };
}

/** The metrics of one origin. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #jobs: Histogram<"kind" | "ending">;
  readonly #items: Counter<"kind" | "result">;

  constructor(sources: MetricsSources) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#jobs = new Histogram({
      name: "firn_origin_job_seconds",
      help: "Time from the start of a job to its end; ending: done, or failed as a whole",
      labelNames: ["kind", "ending"],
      buckets: BUCKETS,
      registers,
    });
    this.#items = new Counter({
      name: "firn_origin_items_total",
      help: "Items that ended; result: done, or the reason for the failure",
      labelNames: ["kind", "result"],
      registers,
    });
    for (const gauge of gaugesOf(sources)) this.#registry.registerMetric(gauge);
  }

  /** Returns `run` with its jobs measured. */
  counted(run: Run): Run {
    return async (items, context) => {
      const kind = items[0]?.kind ?? "none";
      const stop = this.#jobs.startTimer({ kind });
      try {
        const results = await run(items, context);
        for (const result of results)
          this.#items.inc({
            kind,
            result: result.kind === "failure" ? result.failure.reason : "done",
          });
        stop({ ending: "done" });
        return results;
      } catch (error) {
        stop({ ending: "failed" });
        throw error;
      }
    };
  }

  /**
   * Serves /metrics at this port of 127.0.0.1; returns how to stop. Throws an Error when the port
   * is in use.
   */
  async listen(port: number): Promise<() => Promise<void>> {
    const server = createServer((request, response) => {
      if (request.url !== "/metrics" || request.method !== "GET") {
        response.writeHead(404).end("The metrics are at /metrics.\n");
        return;
      }
      this.#registry.metrics().then(
        (text) => response.writeHead(200, { "content-type": this.#registry.contentType }).end(text),
        (error: unknown) => response.writeHead(500).end(`${String(error)}\n`),
      );
    });
    await requirePort(LOOPBACK, port, "METRICS_PORT");
    server.listen(port, LOOPBACK);
    await once(server, "listening");
    return async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    };
  }
}

/** The values that are looked up at each scrape. */
function gaugesOf({ version, slots, connections, status }: MetricsSources): Gauge<string>[] {
  return [
    new Gauge({
      name: "firn_origin_info",
      help: "1; the label has the version that runs",
      labelNames: ["version"],
      registers: [],
      collect() {
        this.set({ version }, 1);
      },
    }),
    new Gauge({
      name: "firn_origin_slots",
      help: "Jobs that it can run at once (state: total) and runs now (state: used)",
      labelNames: ["state"],
      registers: [],
      collect() {
        this.set({ state: "total" }, slots.total);
        this.set({ state: "used" }, slots.used);
      },
    }),
    new Gauge({
      name: "firn_origin_connected",
      help: "1: connected to the edge; 0: not",
      labelNames: ["edge"],
      registers: [],
      collect() {
        for (const [edge, isConnected] of connections()) this.set({ edge }, isConnected ? 1 : 0);
      },
    }),
    new Gauge({
      name: "firn_origin_accepting",
      help: "1: it takes jobs; 0: its disk is at its limit",
      registers: [],
      collect() {
        this.set(status().accepting ? 1 : 0);
      },
    }),
    new Gauge({
      name: "firn_origin_disk_free_bytes",
      help: "Bytes that are free for its store",
      registers: [],
      collect() {
        this.set(status().freeBytes ?? Number.NaN);
      },
    }),
  ];
}
