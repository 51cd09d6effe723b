/**
 * The edge on your own server: the Worker in workerd, its Durable Objects on disk, and the bucket
 * in a directory, or an S3-compatible one elsewhere. No part of it is Cloudflare's, or an
 * emulation.
 *
 *   client ─ HOST:PORT ─> workerd ─ S3 ─> the directory's server, in this process
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { BucketAccess } from "../layers/index.ts";
import { bundleWorker, WORKER_ENTRY } from "./bundle.ts";
import { freePort, requirePort } from "../local/ports.ts";
import { bucketCredentials } from "../local/secrets.ts";
import { namingFullDisk } from "../disk/full.ts";
import { type BucketServer, serveBucket } from "./bucket-server.ts";
import { buildSite } from "./site.ts";
import { watchStateDisk } from "./state-disk.ts";
import { type EdgeLog, INHERITED, startWorkerd } from "./workerd.ts";
import { SOCKET, storageOf, workerdConfig } from "./workerd-config.ts";

export interface EdgeOptions {
  /** Port for clients and origins; default: a free one. */
  readonly port?: number;
  /** Address for clients and origins; default: 127.0.0.1. */
  readonly host?: string;
  /**
   * Whether it takes over the socket of descriptor 3, which already listens on `host` and `port`.
   */
  readonly inherited?: boolean;
  /** Directory for the bucket, the Durable Objects and the bucket's credentials. */
  readonly stateDir: string;
  /** Variables of the Worker (edge/env.ts). EDGE_HOST and S3_* are set here unless given. */
  readonly env: Readonly<Record<string, string>>;
  /** An S3-compatible bucket elsewhere; default: a directory in stateDir. */
  readonly bucket?: BucketAccess | undefined;
  /** Port of the directory's server, on 127.0.0.1; default: a free one. */
  readonly bucketPort?: number | undefined;
  /**
   * The Worker's module; default: edge/worker.ts, bundled. Must export the Durable Objects Farm,
   * Build, Totals and Housekeeping.
   */
  readonly module?: string;
  /** Whether browsers get the page, which is bundled first; default: yes. */
  readonly site?: boolean;
  /** More Workers in the same workerd, each on a free port, by name: module text. */
  readonly beside?: Readonly<Record<string, string>>;
  readonly log?: (line: EdgeLog) => void;
}

export interface Edge {
  /** Its URL for clients and origins, as seen from this machine. */
  readonly url: string;
  /** How an operator's commands reach the bucket. */
  readonly s3: BucketAccess;
  /** URLs of `beside`. */
  readonly beside: Readonly<Record<string, string>>;
  /** Resolves, with how it ended, when workerd ended without having been stopped. */
  readonly ended: Promise<string>;
  stop(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
const BUCKET = "firn";
/** R2's own name for its only region. */
const REGION = "auto";

/** Starts the edge; throws when a given port is in use. */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const host = options.host ?? LOOPBACK;
  const stateDir = resolve(options.stateDir);
  const write = options.log ?? toStderr;
  await namingFullDisk(stateDir, () => mkdir(stateDir, { recursive: true, mode: 0o700 }));
  const disk = watchStateDisk(stateDir, write);
  const log = (line: EdgeLog): void => {
    write(line);
    disk.heard(line.message);
  };
  let bucket: Awaited<ReturnType<typeof directoryBucket>> | undefined;
  try {
    if (options.bucket === undefined)
      bucket = await namingFullDisk(stateDir, () => directoryBucket(stateDir, options, log));
    if (options.port !== undefined && options.inherited !== true)
      await requirePort(host, options.port);
    const s3 = options.bucket ?? bucket?.access;
    if (s3 === undefined) throw new Error("there is no bucket");
    const port = options.port ?? (await freePort(host));
    const authority = `${urlHost(host)}:${port}`;
    // An edge that listens on all addresses says so: others reach it, whatever address origins use.
    const hosts = [...new Set([authority, `${bracketed(host)}:${port}`])].join(",");
    const env = { EDGE_HOST: hosts, ...s3Vars(s3), ...options.env };
    const beside = await Promise.all(
      Object.keys(options.beside ?? {}).map(
        async (name) => [name, `${LOOPBACK}:${await freePort()}`] as const,
      ),
    );
    const workerd = await startWorkerd({
      configFile: await namingFullDisk(stateDir, () =>
        writeConfig(stateDir, options, Object.keys(env)),
      ),
      sockets: {
        [SOCKET]: options.inherited === true ? INHERITED : `${bracketed(host)}:${port}`,
        ...Object.fromEntries(beside),
      },
      env,
      log,
    });
    return {
      url: `http://${authority}`,
      s3,
      beside: Object.fromEntries(beside.map(([name, address]) => [name, `http://${address}`])),
      ended: workerd.ended,
      async stop() {
        await workerd.stop();
        await bucket?.server.stop();
        await disk.stop();
      },
    };
  } catch (error) {
    await bucket?.server.stop();
    await disk.stop();
    throw error;
  }
}

/** Writes the Worker's module and workerd's configuration; returns the path of the latter. */
async function writeConfig(
  stateDir: string,
  options: EdgeOptions,
  variables: readonly string[],
): Promise<string> {
  const dir = join(stateDir, "worker");
  const objectsDir = join(stateDir, "objects");
  await mkdir(dir, { recursive: true });
  await mkdir(objectsDir, { recursive: true });
  // Build objects store nothing, but workerd keeps an empty file for each that ever existed.
  await rm(join(objectsDir, storageOf("Build")), { recursive: true, force: true });
  const beside = Object.entries(options.beside ?? {});
  await writeFile(join(dir, "index.js"), options.module ?? bundleWorker(WORKER_ENTRY));
  for (const [name, text] of beside) await writeFile(join(dir, `${name}.js`), text);
  const siteDir = options.site === false ? undefined : join(stateDir, "site");
  if (siteDir !== undefined) await buildSite(siteDir);
  const configFile = join(dir, "config.capnp");
  const config = await workerdConfig({
    module: "index.js",
    variables,
    objectsDir,
    siteDir,
    beside: Object.fromEntries(beside.map(([name]) => [name, `${name}.js`])),
  });
  await writeFile(configFile, config);
  return configFile;
}

async function directoryBucket(
  stateDir: string,
  { bucketPort }: EdgeOptions,
  log: (line: EdgeLog) => void,
): Promise<{ readonly server: BucketServer; readonly access: BucketAccess }> {
  const credentials = {
    ...(await bucketCredentials(join(stateDir, "bucket-credentials.json"))),
    region: REGION,
  };
  if (bucketPort !== undefined) await requirePort(LOOPBACK, bucketPort, "BUCKET_PORT");
  const server = await serveBucket({
    dir: join(stateDir, "bucket"),
    bucket: BUCKET,
    credentials,
    host: LOOPBACK,
    port: bucketPort ?? 0,
    log: (message) => log({ level: "error", message }),
  });
  return { server, access: { endpoint: server.url, bucket: BUCKET, ...credentials } };
}

/** The address at which this machine is reached, for an address to listen on. */
const urlHost = (host: string): string =>
  host === "0.0.0.0" || host === "::" ? LOOPBACK : bracketed(host);
const bracketed = (host: string): string => (host.includes(":") ? `[${host}]` : host);

/** The Worker's variables that name the bucket. */
export const s3Vars = (s3: BucketAccess) => ({
  S3_ENDPOINT: s3.endpoint,
  S3_BUCKET: s3.bucket,
  S3_REGION: s3.region,
  S3_ACCESS_KEY_ID: s3.accessKeyId,
  S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
});

/** Where the edge's log goes if no callback takes it: only what is worth a look. */
export function toStderr({ level, message }: EdgeLog): void {
  if (level === "warn" || level === "error") process.stderr.write(`edge: ${message}\n`);
}
