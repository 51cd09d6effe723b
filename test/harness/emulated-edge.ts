/**
 * The edge on this machine: the real Worker in workerd, run by Miniflare in-process, with an R2
 * bucket, Durable Objects and their state on disk.
 *
 * Two sockets: Miniflare's entry, on a free port of 127.0.0.1, which also serves the bucket by the
 * S3 protocol; and a direct socket, past Miniflare's proxy and three times as fast, for clients and
 * origins.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Log, LogLevel, Miniflare, type MiniflareOptions } from "miniflare";
import type { BucketAccess } from "../../origin/layers/index.ts";
import { bundleWorker, compatibilityDate, WORKER_ENTRY } from "../../origin/server/bundle.ts";
import { freePort, requirePort } from "../../origin/local/ports.ts";
import { bucketCredentials } from "../../origin/local/secrets.ts";
import { tieWorkerd } from "./tie-workerd.ts";

const LOOPBACK = "127.0.0.1";
const WORKER = "firn";
const BUCKET = "firn";
/** R2's own name for its only region. */
const REGION = "auto";
/** Where Miniflare serves the bucket by the S3 protocol, on its entry. */
const S3_PATH = "/cdn-cgi/local/r2/s3";

/** A line that the Worker wrote to its console, or that workerd wrote itself. */
export interface EdgeLog {
  readonly level: string;
  readonly message: string;
}

export interface EdgeOptions {
  /** Port for clients and origins; a free one when left out. */
  readonly port?: number;
  /** Address for clients and origins; 127.0.0.1 when left out. */
  readonly host?: string;
  /** Keeps the bucket, the Durable Objects and the bucket's credentials. */
  readonly stateDir: string;
  /** Variables of the Worker (edge/env.ts). EDGE_HOST and S3_* are set here unless given. */
  readonly env: Readonly<Record<string, string>>;
  /** An S3-compatible bucket elsewhere; one of its own, kept in stateDir, when left out. */
  readonly bucket?: BucketAccess | undefined;
  /**
   * Path of the Worker's entry; edge/worker.ts when left out. Must export the Durable Objects Farm,
   * Build, Totals and Housekeeping.
   */
  readonly worker?: string;
  /**
   * More Workers in the same workerd, each on a free port, by name: module text. The bench's
   * measure of what workerd can do at all.
   */
  readonly beside?: Readonly<Record<string, string>>;
  readonly log?: (line: EdgeLog) => void;
}

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
export async function startEmulatedEdge(options: EdgeOptions): Promise<EmulatedEdge> {
  const host = options.host ?? LOOPBACK;
  if (options.port !== undefined) await requirePort(host, options.port);
  const [contents, date, credentials] = await Promise.all([
    bundleWorker(options.worker ?? WORKER_ENTRY),
    compatibilityDate(),
    bucketCredentials(join(options.stateDir, "bucket-credentials.json")),
  ]);
  const resources = join(options.stateDir, "edge");
  await mkdir(resources, { recursive: true });
  // Build objects store nothing, and workerd keeps an empty file for each that ever lived.
  await rm(join(resources, "do", `${WORKER}-Build`), { recursive: true, force: true });

  const port = options.port ?? (await freePort(host));
  const entryPort = await freePort();
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
  const authority = `${urlHost(host)}:${port}`;
  // An edge that listens on every address says so: others reach it, whatever address origins use.
  const hosts = [...new Set([authority, `${bracketed(host)}:${port}`])].join(",");
  const vars: Record<string, string> = { EDGE_HOST: hosts, ...s3Vars(s3), ...options.env };
  const beside = await Promise.all(
    Object.entries(options.beside ?? {}).map(async ([name, text]) => ({
      name,
      text,
      port: await freePort(),
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
        dev: { unsafeDirectSockets: [{ host, port }] },
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

/** An address to listen on, as an address to reach this machine by. */
const urlHost = (host: string): string =>
  host === "0.0.0.0" || host === "::" ? LOOPBACK : bracketed(host);
const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

const s3Vars = (s3: BucketAccess) => ({
  S3_ENDPOINT: s3.endpoint,
  S3_BUCKET: s3.bucket,
  S3_REGION: s3.region,
  S3_ACCESS_KEY_ID: s3.accessKeyId,
  S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
});

function toStderr({ level, message }: EdgeLog): void {
  if (level === "warn" || level === "error") process.stderr.write(`edge: ${message}\n`);
}
