/**
 * A Firn in which everything can go wrong: the real Worker, two real origins with real Nix, and
 * between them a wire for each origin and a proxy in front of the bucket that a test has in its
 * hands.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type EmulatedEdge, startEmulatedEdge } from "../harness/emulated-edge.ts";
import { ownPort } from "../harness/ports.ts";
import { originEnv, type OriginProcess, startOriginProcess } from "../../origin/local/origin.ts";
import { readOriginLine } from "../../origin/local/origin-log.ts";
import { originPublicKey } from "../../origin/local/secrets.ts";
import { type OperatorBucket, operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { soon } from "../harness/soon.ts";
import { removeTree, tempDir } from "../harness/temp.ts";
import { until } from "../harness/until.ts";
import { startProxy, type TamperingProxy } from "../origin/layers/tampering-proxy.ts";
import { type TinySet, tinySet } from "../system/tiny-set.ts";
import { startWire, type Wire } from "./wire.ts";
import { bundled } from "../harness/bundle.ts";

type Variables = Readonly<Record<string, string>>;

const NAMES = ["origin-1", "origin-2"] as const;
const WORKER = join(import.meta.dirname, "worker.ts");
/** Longest time for an origin to connect again, ms: its waits grow with its failures. */
const RECONNECT = 90_000;
/** Farms count as idle when they were at work neither now nor so long before, ms. */
const QUIET = 100;

export interface ChaosOrigin {
  readonly name: string;
  readonly stateDir: string;
  /** Between it and the edge. */
  readonly wire: Wire;
  readonly running: boolean;
  /** How many lines of its log hold this text. */
  said(text: string): number;
  /** Starts it, unless it runs, and does not wait. */
  start(more?: Variables): Promise<void>;
  /** Resolves when the edge has welcomed it since it was last started, cut or refused. */
  connected(): Promise<void>;
  stop(): Promise<void>;
  kill(): Promise<void>;
}

export interface World {
  readonly url: string;
  readonly origins: readonly [ChaosOrigin, ChaosOrigin];
  readonly set: TinySet;
  /** In front of the bucket, for the edge and the origins. */
  readonly proxy: TamperingProxy;
  /** The bucket itself, past the proxy. */
  readonly bucket: OperatorBucket;
  /** Restarts the Worker, as a deploy does: memory is lost, every socket dropped. */
  restartEdge(): Promise<void>;
  /** Resets the memory of the Farm objects; their sockets stay, or not. */
  evictFarms(webSockets: "hibernate" | "close"): Promise<void>;
  /** Everything works again: nothing is intercepted, both origins run and are connected. */
  heal(): Promise<void>;
  log(): string;
  stop(): Promise<void>;
}

/**
 * Each origin's, where there are two farms; a client here is of neither, so the first comes first.
 */
const REGIONS = ["weur", "enam"] as const;

export interface WorldOptions {
  /** The package set, as tinySet takes it. */
  readonly attributes: string;
  /** Whether each origin is in a region of its own, with a farm of its own. */
  readonly regions: boolean;
}

export async function startWorld({ attributes, regions }: WorldOptions): Promise<World> {
  const root = await tempDir("chaos");
  const log: string[] = [];
  const set = await tinySet(root, attributes);

  // A server of its own for the bucket: the Worker may restart without it.
  const store = await startEmulatedEdge({
    stateDir: join(root, "store"),
    env: { PACKAGE_SET: "starter" },
    log: () => undefined,
  });
  const endpoint = new URL(store.s3.endpoint);
  const proxy = await startProxy(endpoint.origin);
  const s3 = { ...store.s3, endpoint: proxy.origin + endpoint.pathname };

  const port = await ownPort();
  const edgeHost = `127.0.0.1:${port}`;
  const wires = await Promise.all(NAMES.map(() => startWire(edgeHost)));
  const keyFiles = NAMES.map((name) => join(root, `${name}.key`));
  const keys = await Promise.all(keyFiles.map(originPublicKey));
  const openEdge = (): Promise<EmulatedEdge> =>
    startEmulatedEdge({
      port,
      stateDir: join(root, "edge"),
      bucket: s3,
      module: bundled(WORKER),
      env: {
        PACKAGE_SET: set.spec,
        EDGE_HOST: [edgeHost, ...wires.map(({ host }) => host)].join(","),
        ORIGINS: JSON.stringify(
          Object.fromEntries(
            NAMES.map((name, at) => [
              name,
              { key: keys[at], ...(regions ? { region: REGIONS[at] } : {}) },
            ]),
          ),
        ),
        ...(regions ? { REGIONS: REGIONS.join(",") } : {}),
        BUILD_WAIT: "60",
        TAG_FRESH: "3600",
      },
      log: ({ level, message }) => void log.push(`edge ${level}: ${message}`),
    });
  let edge = await openEdge();

  const origins = wires.map((wire, at) => {
    const name = NAMES[at] ?? "";
    const stateDir = join(root, name);
    const env = async (more: Variables): Promise<Variables> => ({
      ...(await originEnv(process.env, {
        edgeUrl: `http://${wire.host}`,
        name,
        keyFile: keyFiles[at] ?? "",
        packageSet: set.spec,
        stateDir,
      })),
      ...set.originEnv,
      ...more,
    });
    return chaosOrigin({ name, stateDir, wire, env, log });
  }) as [ChaosOrigin, ChaosOrigin];

  const world: World = {
    url: edge.url,
    origins,
    set,
    proxy,
    bucket: operatorBucket(store.s3),
    async restartEdge() {
      await edge.stop();
      edge = await openEdge();
    },
    async evictFarms(webSockets) {
      // An object that is at work cannot be evicted: all of workerd waits half a minute for it, also
      // what the work waits for. So nothing new comes from origins until it is done.
      const release = holdBack(wires);
      try {
        await until("a moment without work of a farm", () => areIdle(edge.url));
        const names = regions ? REGIONS.map((region) => `farm-${region}`) : ["farm"];
        const evicted = await Promise.allSettled(
          names.map((name) => edge.evict("Farm", name, webSockets)),
        );
        for (const [at, end] of evicted.entries())
          log.push(`test: ${names[at]} evicted: ${end.status === "rejected" ? end.reason : "yes"}`);
        // One that sleeps already cannot be evicted; one of them can.
        const failed = evicted.filter(({ status }) => status === "rejected");
        if (failed.length === names.length) throw (failed[0] as PromiseRejectedResult).reason;
      } finally {
        release();
      }
    },
    async heal() {
      proxy.trouble = () => "pass";
      for (const { wire } of origins)
        Object.assign(wire, { intercept: undefined, refusing: false });
      await Promise.all(origins.map((origin) => origin.start()));
      await Promise.all(origins.map((origin) => origin.connected()));
    },
    log: () => log.join("\n"),
    async stop() {
      await Promise.all(origins.map((origin) => origin.stop()));
      await edge.stop();
      await Promise.all(wires.map((wire) => wire.stop()));
      await proxy.stop();
      await store.stop();
      await removeTree(root);
    },
  };
  try {
    await world.heal();
  } catch (error) {
    await world.stop();
    throw new Error(`the origins did not connect:\n${world.log()}`, { cause: error });
  }
  return world;
}

/** What passes the wires from now on waits until the returned function is called. */
function holdBack(wires: readonly Wire[]): () => void {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  for (const wire of wires)
    wire.intercept = async (text) => {
      await released;
      return [text];
    };
  return () => {
    for (const wire of wires) wire.intercept = undefined;
    release();
  };
}

async function areIdle(url: string): Promise<boolean> {
  const works = async (): Promise<unknown> => (await fetch(`${url}/test/at-work`)).json();
  if ((await works()) !== 0) return false;
  await sleep(QUIET);
  return (await works()) === 0;
}

interface ChaosOriginParts {
  readonly name: string;
  readonly stateDir: string;
  readonly wire: Wire;
  readonly env: (more: Variables) => Promise<Variables>;
  readonly log: string[];
}

function chaosOrigin({ name, stateDir, wire, env, log }: ChaosOriginParts): ChaosOrigin {
  const lines: string[] = [];
  let running: OriginProcess | undefined;
  let isConnected = false;
  const changed = new Set<() => void>();
  const say = (line: string): void => {
    const { text, connected } = readOriginLine(line);
    lines.push(text);
    log.push(`${name}: ${text}`);
    if (connected) isConnected = true;
    if (/^(lost the connection|cannot connect|the edge refuses)/.test(text)) isConnected = false;
    for (const look of changed) look();
  };
  const end = async (how: "stop" | "kill"): Promise<void> => {
    const ending = running?.[how]();
    running = undefined;
    isConnected = false;
    await ending;
  };
  return {
    name,
    stateDir,
    wire,
    get running() {
      return running !== undefined;
    },
    said: (text) => lines.filter((line) => line.includes(text)).length,
    async start(more = {}) {
      if (running !== undefined) return;
      running = startOriginProcess({ env: await env(more), restart: false, onLine: say });
    },
    connected: () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (): void => {
        if (isConnected) resolve();
      };
      changed.add(look);
      look();
      return soon(`${name} connects`, promise, RECONNECT).finally(() => changed.delete(look));
    },
    stop: () => end("stop"),
    kill: () => end("kill"),
  };
}
