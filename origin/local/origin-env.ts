/**
 * An origin's options (origin/main.ts) as environment variables, for an origin beside a local edge.
 */
import { availableParallelism } from "node:os";
import { parsePackageSet } from "../../edge/contract/package-set.ts";
import type { S3Access } from "./edge.ts";
import { nixConfig } from "./nix-config.ts";

/**
 * Nix builds for a foreign system only what needs no program of it to run; the starter set's
 * packages need none, and nixpkgs' come from its cache.
 */
const SYSTEMS = "x86_64-linux,aarch64-linux";
/** Seconds in which jobs may finish after Ctrl-C: a person waits, and what was packed is packed. */
const DRAIN = "5";

export interface LocalOrigin {
  readonly edgeUrl: string;
  readonly s3: S3Access;
  readonly name: string;
  readonly keyFile: string;
  readonly packageSet: string;
  readonly stateDir: string;
}

/** `env`: what the user set (SLOTS, NIX_TIMEOUT, …), which the origin checks itself. */
export async function originEnv(
  env: NodeJS.ProcessEnv,
  origin: LocalOrigin,
): Promise<Record<string, string>> {
  const { kind } = await parsePackageSet(origin.packageSet);
  return {
    SYSTEMS: env["SYSTEMS"] ?? SYSTEMS,
    DRAIN: env["DRAIN"] ?? DRAIN,
    // One large store path is compressed by libuv's threads, four unless it is told (README.md).
    UV_THREADPOOL_SIZE: env["UV_THREADPOOL_SIZE"] ?? String(Math.max(4, availableParallelism())),
    FIRN_EDGES: origin.edgeUrl,
    ORIGIN_NAME: origin.name,
    ORIGIN_KEY_FILE: origin.keyFile,
    PACKAGE_SET: origin.packageSet,
    STATE_DIR: origin.stateDir,
    NIX_CONFIG: await nixConfig(env, kind === "starter"),
    S3_ENDPOINT: origin.s3.endpoint,
    S3_BUCKET: origin.s3.bucket,
    S3_REGION: origin.s3.region,
    S3_ACCESS_KEY_ID: origin.s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: origin.s3.secretAccessKey,
  };
}
