/** What `npm start` can be told, by environment variables; checked before anything starts. */
import { isIP } from "node:net";
import { resolve } from "node:path";
import { parsePackageSet, type PackageSetSpec } from "../../edge/contract/package-set.ts";

const DEFAULT_PORT = 8787;
/** Every address: other machines can pull from it too. */
const DEFAULT_HOST = "0.0.0.0";
const DEFAULT_STATE = ".firn";
const DEFAULT_PACKAGE_SET = "starter";

/** Variables of the Worker (edge/env.ts) that are handed on as they are; the Worker checks them. */
const WORKER_VARIABLES = ["BLOBS", "BUILD_WAIT", "TAG_FRESH", "ZSTD"] as const;

export interface Settings {
  /** 0: any free one. */
  readonly port: number;
  readonly host: string;
  /** Absolute. */
  readonly stateDir: string;
  readonly packageSet: PackageSetSpec;
  /** As given, but with an absolute directory: the origin may stand elsewhere. */
  readonly packageSetText: string;
  readonly worker: Readonly<Record<string, string>>;
}

/** Reads the settings. Throws an Error that names the variable, what it was, and what it may be. */
export async function readSettings(env: NodeJS.ProcessEnv): Promise<Settings> {
  const given = (name: string): string | undefined =>
    env[name] === undefined || env[name] === "" ? undefined : env[name];

  const portText = given("PORT") ?? String(DEFAULT_PORT);
  const port = Number(portText);
  if (!/^\d+$/.test(portText) || port > 65_535)
    throw new Error(
      `PORT is ${JSON.stringify(portText)}: give a whole number from 0 (any free port) to 65535`,
    );

  const host = given("HOST") ?? DEFAULT_HOST;
  if (isIP(host) === 0)
    throw new Error(
      `HOST is ${JSON.stringify(host)}: give an IP address of this machine, 0.0.0.0 for all of them, 127.0.0.1 to be reached from this machine only`,
    );

  const text = given("PACKAGE_SET") ?? DEFAULT_PACKAGE_SET;
  const packageSet = await parsePackageSet(text).catch((error: Error) => {
    throw new Error(`PACKAGE_SET: ${error.message}`, { cause: error });
  });
  const packageSetText = packageSet.kind === "path" ? `path:${resolve(packageSet.dir)}` : text;

  const worker = Object.fromEntries(
    WORKER_VARIABLES.flatMap((name) =>
      given(name) === undefined ? [] : [[name, given(name) ?? ""]],
    ),
  );
  return {
    port,
    host,
    stateDir: resolve(given("FIRN_STATE") ?? DEFAULT_STATE),
    packageSet,
    packageSetText,
    worker,
  };
}
