/**
 * The farm at scale: origins with real sockets that fail every item at once, and a long queue of
 * many clients, on one Farm object in workerd. README.md tells what the figures mean.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { readFileSync } from "node:fs";
import { access, constants } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { Item } from "../../edge/contract/items.ts";
import type { FarmOverview } from "../../edge/farm/overview.ts";
import { generateOriginKey } from "../../origin/channel/index.ts";
import { type FarmEdge, startFarm } from "../edge/farm/farm-edge.ts";
import { packageItems } from "../edge/farm/records.ts";
import { until } from "../harness/until.ts";
import { residentMemory, workerdPid } from "../harness/workerd-memory.ts";
import { FakeOrigin } from "./fake-origin.ts";
import type { Part } from "./part.ts";
import { takeSignals } from "./signals.ts";

const ORIGINS = 1_000;
const ITEMS = 10_000;
/** How much shorter the short queue is that the long one is compared with. */
const SHORTER = 10;
/** Items of one client: one request. 10,000 items are of 500 clients. */
const SHARE = 20;
/** Items that are asked for one at a time, while origins are idle, and how many in a second. */
const SINGLE = 1_000;
const RATE = 50;
/** Origins that drain a queue; the others are connected and take nothing. */
const DRAINING = 20;
/**
 * Build objects that are told of results. Elsewhere there is one for each pull, spread over
 * machines; here hundreds that begin would be measured in the farm's place.
 */
const BUILDS = 16;
/** Sockets that are opened, and requests that are sent, at once. */
const AT_ONCE = 8;
const LONGEST = 120_000;
/** Origins and failed jobs that an error tells of. */
const MAX_TOLD = 3;

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
const memory = async (): Promise<number> => (await residentMemory(await workerdPid())) / 1_024;

/** Asks the farm for items in a client's name; nobody waits on a Build object. */
const ask = (edge: FarmEdge, client: number, items: readonly Item[]): Promise<unknown> => {
  const asker = { client: `client ${client}`, purpose: "waiting" };
  return edge.farm("request", `build ${client % BUILDS}`, items, asker);
};

/** What the farm tells operators. */
const overviewOf = async (edge: FarmEdge): Promise<FarmOverview> =>
  (await edge.farm("overview")) as FarmOverview;

/**
 * No origin takes jobs when this resolves: what is given out is counted only while it is drained.
 */
async function pause(edge: FarmEdge, origins: readonly FakeOrigin[]): Promise<void> {
  for (const origin of origins) origin.accepting(false);
  const paused = async (): Promise<boolean> =>
    (await overviewOf(edge)).origins.every(({ state }) => state === "full");
  await told(edge, until("no origin takes jobs", paused, LONGEST));
}

/** What is waited for; its error says how the farm is. */
async function told(edge: FarmEdge, waiting: Promise<unknown>): Promise<void> {
  try {
    await waiting;
  } catch (error) {
    const { origins, queued, tally, failures } = await overviewOf(edge);
    const states = Map.groupBy(origins, ({ state }) => state);
    const farm = {
      queued,
      tally,
      failures: failures.slice(0, MAX_TOLD),
      origins: Object.fromEntries(Array.from(states, ([state, all]) => [state, all.length])),
      held: origins.filter(({ jobs }) => jobs.packages > 0).slice(0, MAX_TOLD),
    };
    const { message } = error as Error;
    throw new Error(`${message}; the farm: ${JSON.stringify(farm)}`, { cause: error });
  }
}

/** Queues `count` items, one request of SHARE for each client. */
async function fill(edge: FarmEdge, count: number, run: string): Promise<void> {
  const names = (client: number): string[] =>
    Array.from({ length: SHARE }, (_, n) => `${run}-${client}-${n}`);
  await each(count / SHARE, async (client) => {
    const reply = (await ask(edge, client, packageItems(names(client)))) as { state: string };
    if (reply.state !== "taken") throw new Error(`the farm says ${reply.state}`);
  });
}

/**
 * A directory in memory, where there is one: a job is sent when it is written, and how long this
 * machine's disk takes for that says nothing of a Durable Object's storage.
 */
const stateDirectory = (): Promise<string> =>
  access("/dev/shm", constants.W_OK).then(
    () => "/dev/shm",
    () => tmpdir(),
  );

/** Processor time that a process has used, ms (proc(5): utime and stime, in hundredths). */
function processorTime(pid: string): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Drained {
  /**
   * Processor time of workerd for each item, ms, once all origins are at work and until few items
   * are left.
   */
  readonly perItem: number;
  /** Mean wait of each client's items, ms. */
  readonly waits: readonly number[];
}

/** Lets some of the origins take jobs until `count` items that were queued are given out. */
async function drain(
  edge: FarmEdge,
  origins: readonly FakeOrigin[],
  count: number,
): Promise<Drained> {
  /** Client → when its items were given out. */
  const byClient = new Map<string, number[]>();
  const [from, to] = [Math.floor(count * 0.3), Math.floor(count * 0.9)];
  const pid = await workerdPid();
  const used: number[] = [];
  let given = 0;
  const begun = performance.now();
  for (const origin of origins) {
    origin.onItem = (name, now) => {
      given += 1;
      if (given === from || given === to) used.push(processorTime(pid));
      const client = name.split("-")[1] ?? "";
      byClient.set(client, [...(byClient.get(client) ?? []), now - begun]);
    };
  }
  for (const origin of origins.slice(0, DRAINING)) origin.accepting(true);
  const done = until(`${count} items are given out`, () => given >= count, LONGEST);
  await told(edge, done).catch((error: unknown) => {
    throw new Error(`${given} of ${count} items were given out`, { cause: error });
  });
  const perItem = ((used[1] ?? 0) - (used[0] ?? 0)) / (to - from);
  return { perItem, waits: [...byClient.values()].map(mean) };
}

/** Calls `work` RATE times a second, whether earlier calls have ended or not. */
async function steadily(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  const begun = performance.now();
  const calls: Promise<unknown>[] = [];
  for (let n = 0; n < count; n++) {
    await sleep(Math.max(0, begun + (n * 1_000) / RATE - performance.now()));
    calls.push(work(n));
  }
  await Promise.all(calls);
}

/** Time of a call that the farm answers without doing anything, ms, for many of them. */
async function callTimes(edge: FarmEdge): Promise<number[]> {
  const times: number[] = [];
  await steadily(SINGLE / 2, async () => {
    const begun = performance.now();
    await edge.change();
    times.push(performance.now() - begun);
  });
  return times;
}

/** Time from asking for one item to its job on the wire, ms, for many of them. */
async function dispatchTimes(edge: FarmEdge, origins: readonly FakeOrigin[]): Promise<number[]> {
  const asked = new Map<string, number>();
  const times: number[] = [];
  for (const origin of origins)
    origin.onItem = (name, now) => times.push(now - (asked.get(name) ?? now));
  await steadily(SINGLE, async (n) => {
    asked.set(`single-${n}`, performance.now());
    await ask(edge, n, packageItems([`single-${n}`]));
  });
  const done = until(`${SINGLE} items are given out`, () => times.length >= SINGLE, LONGEST);
  await told(edge, done);
  return times;
}

export const farm: Part = {
  groups: ["farm"],
  needs: [],
  async run({ signal, origins: count = ORIGINS, items = ITEMS }, report) {
    const keys = Array.from({ length: count }, () => generateOriginKey());
    const configured = keys.map(({ publicKey }, n) => [`o${n}`, { key: publicKey }] as const);
    const edge = await startFarm({
      stateIn: await stateDirectory(),
      // Nobody waits on a Build object, so nobody asks again.
      times: { wanted: 2 * LONGEST },
      vars: {
        ORIGINS: JSON.stringify(Object.fromEntries(configured)),
        QUEUE_TOTAL: String(Math.max(items, ITEMS)),
      },
    });
    takeSignals();
    const origins: FakeOrigin[] = [];
    try {
      await each(count, async (n) => {
        signal.throwIfAborted();
        const key = keys[n];
        if (key !== undefined)
          origins.push(await FakeOrigin.connect(edge, `o${n}`, key.privateKey));
      });
      const before = await memory();
      const calls = await callTimes(edge);
      const times = await dispatchTimes(edge, origins);
      for (const [name, q] of [
        ["p50", 0.5],
        ["p99", 0.99],
      ] as const)
        report({
          name: `farm.dispatch.${name}`,
          unit: "ms",
          values: [quantile(times, q)],
          yardstick: { name: `farm.call.${name}`, values: [quantile(calls, q)] },
        });
      const drained = async (run: string): Promise<Drained> => {
        await pause(edge, origins);
        await fill(edge, items / SHORTER, run);
        return drain(edge, origins, items / SHORTER);
      };
      // Once for the compiler: it would count as cost of the first that is measured.
      await drained("warm");
      const short = await drained("short");
      await pause(edge, origins);
      await fill(edge, items, "long");
      report({ name: "farm.memory", unit: "MB", values: [(await memory()) - before] });
      await edge.evictFarm("hibernate");
      const evicted = performance.now();
      const { queued } = await overviewOf(edge);
      report({ name: "farm.recovery", unit: "s", values: [(performance.now() - evicted) / 1_000] });
      if (queued.packages !== items)
        throw new Error(`${queued.packages} of ${items} items are there after the eviction`);
      const { perItem, waits } = await drain(edge, origins, items);
      const yardstick = { name: "farm.flat.short", values: [short.perItem] };
      report({ name: "farm.item", unit: "ms", values: [perItem], yardstick });
      report({ name: "farm.flat", unit: "×", values: [perItem / short.perItem] });
      report({ name: "farm.fairness", unit: "×", values: [Math.max(...waits) / mean(waits)] });
    } finally {
      for (const origin of origins) origin.close();
      await edge.stop();
    }
  },
};
