/**
 * The farm at scale: origins with real sockets that fail every item at once, and a long queue of
 * many clients, on one Farm object in workerd. README.md tells what the figures mean.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Item } from "../../edge/contract/messages.ts";
import { generateOriginKey, type OriginKey } from "../../origin/channel/index.ts";
import { type FarmEdge, startFarm } from "../edge/farm/farm-edge.ts";
import { packageItems } from "../edge/farm/records.ts";
import { eventually } from "../harness/soon.ts";
import { FakeOrigin } from "./fake-origin.ts";
import type { Part } from "./part.ts";
import { takeSignals } from "./signals.ts";

const ORIGINS = 1_000;
const CLIENTS = 500;
const LONG = 10_000;
const SHORT = 1_000;
/** Items that are asked for one at a time, while origins are idle. */
const SINGLE = 1_000;
/** Sockets that are opened, and requests that are sent, at once. */
const AT_ONCE = 8;
const LONGEST = 120_000;

/** Calls `work` for 0 to `count` - 1, AT_ONCE at a time. */
async function each(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

const quantile = (values: readonly number[], q: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) * q)] ?? 0;
const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Resident memory of the workerd under this process, MB. */
async function memory(): Promise<number> {
  const { stdout } = await promisify(execFile)("ps", ["-eo", "ppid=,rss=,comm="]);
  const own = stdout
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([ppid, , comm]) => Number(ppid) === process.pid && comm?.startsWith("workerd"));
  return own.reduce((sum, [, rss]) => sum + Number(rss), 0) / 1_024;
}

/** Asks the farm for items in a client's name; nobody waits on a Build object. */
const ask = (edge: FarmEdge, client: number, items: readonly Item[]): Promise<unknown> => {
  const asker = { client: `client ${client}`, purpose: "waiting" };
  return edge.farm("request", `client ${client}`, items, asker);
};

interface Drained {
  /** Milliseconds for each item. */
  readonly perItem: number;
  /** Mean wait of each client's items, ms. */
  readonly waits: readonly number[];
}

/** Queues items while no origin takes jobs; `drain` lets them go and waits for the last. */
async function queued(edge: FarmEdge, origins: readonly FakeOrigin[], count: number, run: string) {
  for (const origin of origins) origin.accepting(false);
  const share = count / CLIENTS;
  await each(CLIENTS, (client) =>
    ask(
      edge,
      client,
      packageItems(Array.from({ length: share }, (_, n) => `${run}-${client}-${n}`)),
    ),
  );
  const drain = async (): Promise<Drained> => {
    const at = new Map<string, number>();
    const begun = performance.now();
    for (const origin of origins) {
      origin.onItem = (name, now) => at.set(name, now - begun);
      origin.accepting(true);
    }
    await eventually(`${count} items are given out`, () => at.size >= count, LONGEST);
    const waits = Array.from({ length: CLIENTS }, (_, client) =>
      mean(Array.from({ length: share }, (__, n) => at.get(`${run}-${client}-${n}`) ?? 0)),
    );
    return { perItem: (performance.now() - begun) / count, waits };
  };
  return { drain };
}

/** Time from asking for one item to its job on the wire, ms, for many of them. */
async function dispatchTimes(edge: FarmEdge, origins: readonly FakeOrigin[]): Promise<number[]> {
  const asked = new Map<string, number>();
  const times: number[] = [];
  for (const origin of origins)
    origin.onItem = (name, now) => times.push(now - (asked.get(name) ?? now));
  await each(SINGLE, async (n) => {
    asked.set(`single-${n}`, performance.now());
    await ask(edge, n % CLIENTS, packageItems([`single-${n}`]));
  });
  await eventually(`${SINGLE} items are given out`, () => times.length >= SINGLE, LONGEST);
  return times;
}

export const farm: Part = {
  groups: ["farm"],
  needs: [],
  async run({ signal }, report) {
    const keys = new Map<string, OriginKey>(
      Array.from({ length: ORIGINS }, (_, n) => [`o${n}`, generateOriginKey()]),
    );
    const configured = [...keys].map(
      ([name, { publicKey }]) => [name, { key: publicKey }] as const,
    );
    const edge = await startFarm({
      vars: { ORIGINS: JSON.stringify(Object.fromEntries(configured)) },
    });
    takeSignals();
    const origins: FakeOrigin[] = [];
    try {
      await each(ORIGINS, async (n) => {
        signal.throwIfAborted();
        const key = keys.get(`o${n}`);
        if (key !== undefined)
          origins.push(await FakeOrigin.connect(edge, `o${n}`, key.privateKey));
      });
      const before = await memory();
      const times = await dispatchTimes(edge, origins);
      report({ name: "farm.dispatch.p50", unit: "ms", values: [quantile(times, 0.5)] });
      report({ name: "farm.dispatch.p99", unit: "ms", values: [quantile(times, 0.99)] });
      const short = await (await queued(edge, origins, SHORT, "short")).drain();
      const long = await queued(edge, origins, LONG, "long");
      report({ name: "farm.memory", unit: "MB", values: [(await memory()) - before] });
      await edge.evictFarm("hibernate");
      const evicted = performance.now();
      await edge.farm("overview");
      report({ name: "farm.recovery", unit: "s", values: [(performance.now() - evicted) / 1_000] });
      const { perItem, waits } = await long.drain();
      report({ name: "farm.flat", unit: "×", values: [perItem / short.perItem] });
      report({ name: "farm.fairness", unit: "×", values: [Math.max(...waits) / mean(waits)] });
    } finally {
      for (const origin of origins) origin.close();
      await edge.stop();
    }
  },
};
