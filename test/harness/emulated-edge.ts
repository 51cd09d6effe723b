/**
 * The edge as Cloudflare runs it, emulated: the real Worker in workerd, run by Miniflare, with an
 * R2 binding, and Durable Objects that can be evicted at any time.
 *
 * Two sockets: Miniflare's entry, on a free port of 127.0.0.1, which also serves the bucket by the
 * S3 protocol; and a direct socket, past Miniflare's proxy and three times as fast, for clients and
 * origins.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Log, LogLevel, Miniflare, type MiniflareOptions } from "miniflare";
import type { BucketAccess } from "../../origin/layers/index.ts";
import { compatibilityDate } from "../../origin/server/bundle.ts";
import { requirePort } from "../../origin/local/ports.ts";
import { ownPort } from "./ports.ts";
import { bucketCredentials } from "../../origin/local/secrets.ts";
import { type EdgeOptions, s3Vars, toStderr } from "../../origin/server/edge.ts";
import type { EdgeLog } from "../../origin/server/workerd.ts";
import { bundled } from "./bundle.ts";
import { tieWorkerd } from "./tie-workerd.ts";

const LOOPBACK = "127.0.0.1";
const WORKER = "firn";
const BUCKET = "firn";
/** R2's own name for its only region. */
const REGION = "auto";
/** Where Miniflare serves the bucket by the S3 protocol, on its entry. */
const S3_PATH = "/cdn-cgi/local/r2/s3";

export type EmulatedEdgeOptions = Pick<
  EdgeOptions,
  "port" | "stateDir" | "env" | "bucket" | "module" | "beside" | "log"
>;

export interface EmulatedEdge {
  /** Where clients and origins reach it, as seen from this machine. */
  readonly url: string;
  /** How origins and the operator's commands reach the bucket. */
  readonly s3: BucketAccess;
  /** URLs of `beside`. */
  readonly beside: Readonly<Record<string, string>>;
  /** Resets a Durable Object's memory, as Cloudflare may at any time; its sockets stay, or not. */
  evict(
    exportName: "Farm" | "Build" | "Housekeeping",
    name: string,
    webSockets: "hibernate" | "close",
  ): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the edge; throws when a given port is in use. */
export async function startEmulatedEdge(options: EmulatedEdgeOptions): Promise<EmulatedEdge> {
  if (options.port !== undefined) await requirePort(LOOPBACK, options.port);
  const contents = options.module ?? bundled();
  const [date, credentials] = await Promise.all([
    compatibilityDate(),
    bucketCredentials(join(options.stateDir, "bucket-credentials.json")),
  ]);
  const resources = join(options.stateDir, "edge");
  await mkdir(resources, { recursive: true });
  // Build objects store nothing, and workerd keeps an empty file for each that ever lived.
  await rm(join(resources, "do", `${WORKER}-Build`), { recursive: true, force: true });

  const port = options.port ?? (await ownPort());
  const entryPort = await ownPort();
  const s3: BucketAccess = options.bucket ?? {
    endpoint: `http://${LOOPBACK}:${entryPort}${S3_PATH}`,
    bucket: BUCKET,
    region: REGION,
    ...credentials,
  };
  const ownBucket = {
    BUCKET: {
      type: "r2",
      name: BUCKET,
      dev: { experimentalS3Credentials: credentials },
    } as const,
  };
  const authority = `${LOOPBACK}:${port}`;
  const vars: Record<string, string> = { EDGE_HOST: authority, ...s3Vars(s3), ...options.env };
  const beside = await Promise.all(
    Object.entries(options.beside ?? {}).map(async ([name, text]) => ({
      name,
      text,
      port: await ownPort(),
    })),
  );

  tieWorkerd();
  const miniflare = new Miniflare({
    host: LOOPBACK,
    port: entryPort,
    // Without these Miniflare asks Cloudflare for request.cf and reports its use.
    cf: false,
    telemetry: { enabled: false },
    log: new Log(LogLevel.ERROR),
    handleStructuredLogs: ({ level, message }: EdgeLog) =>
      (options.log ?? toStderr)({ level, message }),
    resourcePersistencePath: resources,
    workers: [
      {
        config: {
          name: WORKER,
          compatibilityDate: date,
          manifest: esModule(contents),
          env: {
            ...Object.fromEntries(
              Object.entries(vars).map(([name, value]) => [name, { type: "text" as const, value }]),
            ),
            ...(options.bucket === undefined ? ownBucket : {}),
            FARM: { type: "durable-object", worker: WORKER, exportName: "Farm" },
            BUILD: { type: "durable-object", worker: WORKER, exportName: "Build" },
            TOTALS: { type: "durable-object", worker: WORKER, exportName: "Totals" },
            HOUSEKEEPING: { type: "durable-object", worker: WORKER, exportName: "Housekeeping" },
          },
          exports: {
            Farm: { type: "durable-object", storage: "sqlite" },
            Build: { type: "durable-object", storage: "sqlite" },
            Totals: { type: "durable-object", storage: "sqlite" },
            Housekeeping: { type: "durable-object", storage: "sqlite" },
          },
        },
        dev: { unsafeDirectSockets: [{ host: LOOPBACK, port }] },
      },
      ...beside.map((worker) => ({
        config: { name: worker.name, compatibilityDate: date, manifest: esModule(worker.text) },
        dev: { unsafeDirectSockets: [{ host: LOOPBACK, port: worker.port }] },
      })),
    ],
  } satisfies MiniflareOptions);
  try {
    await miniflare.ready;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
  return {
    url: `http://${authority}`,
    s3,
    beside: Object.fromEntries(
      beside.map((worker) => [worker.name, `http://${LOOPBACK}:${worker.port}`]),
    ),
    evict: (exportName, name, webSockets) =>
      miniflare.unsafeEvictDurableObject(WORKER, exportName, { name, webSockets }),
    stop: () => miniflare.dispose(),
  };
}

const esModule = (contents: string) => ({
  mainModule: "index.js",
  modulesRoot: "/",
  modules: { "index.js": { type: "esm" as const, contents } },
});
