/**
 * The farm in a real workerd: Durable Objects, SQLite and bucket on disk, hibernation and restarts
 * on demand.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Log, LogLevel, Miniflare } from "miniflare";
import type { Answer, Asker } from "../../../edge/farm/builds/answer.ts";
import { TIMES, type Times } from "../../../edge/farm/limits.ts";
import type { Item } from "../../../edge/contract/items.ts";
import { compatibilityDate } from "../../../origin/server/bundle.ts";
import { ownPort } from "../../harness/ports.ts";
import { bundled } from "../../harness/bundle.ts";
import { tieWorkerd } from "../../harness/tie-workerd.ts";
import { until } from "../../harness/until.ts";

const WORKER = "farm";
const LOOPBACK = "127.0.0.1";
const ENTRY = join(import.meta.dirname, "fixtures", "worker.js");

export interface FarmOptions {
  /** `slice`: the longest wait in one call of a Build object (ask.ts). */
  readonly times?: Partial<Times & { readonly slice: number }>;
  /** Variables, at the start and after every restart. */
  readonly vars: Readonly<Record<string, string>>;
  /** Whether the edge has S3 credentials for its bucket, and signs uploads. */
  readonly signs?: boolean;
  /** The directory in which its state is kept meanwhile. */
  readonly stateIn?: string;
}

const CREDENTIALS = { accessKeyId: "farm", secretAccessKey: "farm-secret" };

export type FarmEdge = Awaited<ReturnType<typeof startFarm>>;

export async function startFarm({
  times = {},
  vars,
  signs = false,
  stateIn = tmpdir(),
}: FarmOptions) {
  const stateDir = await mkdtemp(join(stateIn, "firn-farm-"));
  const contents = bundled(ENTRY);
  const [date, port, entryPort] = await Promise.all([compatibilityDate(), ownPort(), ownPort()]);
  const host = `${LOOPBACK}:${port}`;
  const lines: string[] = [];
  tieWorkerd();

  const start = async (current: Readonly<Record<string, string>>): Promise<Miniflare> => {
    const env = {
      EDGE_HOST: host,
      PACKAGE_SET: "starter",
      TIMES: JSON.stringify({ ...TIMES, ...times }),
      ...(signs && {
        S3_ENDPOINT: `http://${LOOPBACK}:${entryPort}/cdn-cgi/local/r2/s3`,
        S3_BUCKET: "firn",
        S3_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
        S3_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
      }),
      ...current,
    };
    const miniflare = new Miniflare({
      host: LOOPBACK,
      port: entryPort,
      cf: false,
      telemetry: { enabled: false },
      log: new Log(LogLevel.NONE),
      handleStructuredLogs: ({ message }: { message: string }) => lines.push(message),
      resourcePersistencePath: stateDir,
      workers: [
        {
          config: {
            name: WORKER,
            compatibilityDate: date,
            manifest: {
              mainModule: "index.js",
              modulesRoot: "/",
              modules: { "index.js": { type: "esm", contents } },
            },
            env: {
              ...Object.fromEntries(
                Object.entries(env).map(([name, value]) => [
                  name,
                  { type: "text" as const, value },
                ]),
              ),
              BUCKET: {
                type: "r2",
                name: "firn",
                dev: { experimentalS3Credentials: CREDENTIALS },
              },
              FARM: { type: "durable-object", worker: WORKER, exportName: "Farm" },
              BUILD: { type: "durable-object", worker: WORKER, exportName: "Build" },
            },
            exports: {
              Farm: { type: "durable-object", storage: "sqlite" },
              Build: { type: "durable-object", storage: "sqlite" },
            },
          },
          dev: { unsafeDirectSockets: [{ host: LOOPBACK, port }] },
        },
      ],
    });
    await miniflare.ready;
    return miniflare;
  };
  let miniflare = await start(vars);

  return {
    host,
    url: new URL(`http://${host}`),
    /** What the Worker wrote to its console. */
    lines,
    events: (event: string): Record<string, unknown>[] =>
      lines
        .filter((line) => line.startsWith("{") && line.includes(`"event":"${event}"`))
        .map((line) => JSON.parse(line) as Record<string, unknown>),
    /**
     * The first `count` events of a kind, once the Worker's console has brought them: they come
     * beside its answers, sometimes after.
     */
    async logged(event: string, count = 1): Promise<Record<string, unknown>[]> {
      await until(`${count} × ${event} in the log`, () => this.events(event).length >= count);
      return this.events(event).slice(0, count);
    },
    async ask(
      items: readonly Item[],
      waitMs = 60_000,
      {
        signal = null,
        client = null,
        purpose = "waiting",
        regions = [],
        lost = [],
      }: Partial<Asker> & { readonly signal?: AbortSignal | null } = {},
    ): Promise<Answer> {
      const response = await fetch(`http://${host}/ask`, {
        method: "POST",
        body: JSON.stringify({ items, waitMs, client, purpose, regions, lost }),
        signal,
      });
      if (!response.ok) throw new Error(`ask: ${response.status} ${await response.text()}`);
      return (await response.json()) as Answer;
    },
    async put(key: string, body: string | Uint8Array): Promise<void> {
      await (await openBucket(miniflare)).put(key, body);
    },
    async delete(key: string): Promise<void> {
      await (await openBucket(miniflare)).delete(key);
    },
    async get(key: string): Promise<unknown> {
      return (await (await openBucket(miniflare)).get(key))?.json();
    },
    /**
     * Changes what the farm sees of its bucket (`bucketFails`: every call, or only writes) and of
     * its configuration, while it runs. Returns how often Build objects have asked the farm.
     */
    async change(
      values: { bucketFails?: boolean | "put"; bucketWaits?: boolean; keys?: string } = {},
    ): Promise<number> {
      const response = await fetch(`http://${host}/change`, {
        method: "POST",
        body: JSON.stringify(values),
      });
      return (await response.json()) as number;
    },
    /** Calls a method of the Farm object, as an operator's routes do. */
    async farm(method: string, ...args: readonly unknown[]): Promise<unknown> {
      const response = await fetch(`http://${host}/farm`, {
        method: "POST",
        body: JSON.stringify({ method, args }),
      });
      if (!response.ok) throw new Error(`${method}: ${response.status} ${await response.text()}`);
      return ((await response.json()) as { value: unknown }).value;
    },
    /**
     * The time of that limit is over now, for all that the farm holds by it: a job that must be
     * accepted, an origin that must come back. Set the limit to more than any machine takes.
     */
    async lapse(limit: "accept" | "hello" | "paused" | "reconnect"): Promise<void> {
      await this.farm("lapse", limit);
    },
    /** Resets the memory of the farm; its sockets stay (`hibernate`) or not. */
    evictFarm: (webSockets: "hibernate" | "close"): Promise<void> =>
      miniflare.unsafeEvictDurableObject(WORKER, "Farm", { name: "farm", webSockets }),
    /** Resets the Build object of these items under those who wait on it. */
    async crashBuild(items: readonly Item[]): Promise<void> {
      await fetch(`http://${host}/crash`, { method: "POST", body: JSON.stringify({ items }) });
    },
    /** As a deploy does: everything in memory is lost, every socket dropped. */
    async restart(current: Readonly<Record<string, string>> = vars): Promise<void> {
      await miniflare.dispose();
      miniflare = await start(current);
    },
    async stop(): Promise<void> {
      await miniflare.dispose();
      await rm(stateDir, { recursive: true, force: true });
    },
  };
}

/** What the tests use of a bucket; Miniflare's own type needs the Worker's globals. */
interface TestBucket {
  put(key: string, body: string | Uint8Array): Promise<unknown>;
  delete(key: string): Promise<void>;
  get(key: string): Promise<{ json(): Promise<unknown> } | null>;
}
const openBucket = (miniflare: Miniflare): Promise<TestBucket> =>
  miniflare.getR2Bucket("BUCKET") as unknown as Promise<TestBucket>;
