/**
 * What is about to be deployed, according to wrangler.toml and Cloudflare. wrangler itself reads
 * the file, so that an environment inherits here what it inherits when deployed.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { parseEnv, stripVTControlCharacters } from "node:util";
import { execa, type Options } from "execa";
import { experimental_readRawConfig, unstable_readConfig } from "wrangler";
import { CommandFailed } from "../commands/exit-codes.ts";

/** Where wrangler and the Worker's files are. */
export const ROOT = new URL("../..", import.meta.url);

export interface Target {
  /** Path of wrangler.toml. */
  readonly config: string;
  /** One of its environments; undefined: the top level. */
  readonly env: string | undefined;
}

export interface Deployment extends Target {
  /** The Worker's name at Cloudflare. */
  readonly worker: string;
  /** `[vars]`, those set to nothing left out; a value that is no string is wrong. */
  readonly vars: Readonly<Record<string, unknown>>;
  /** Durable Object classes by their binding. */
  readonly objects: Readonly<Record<string, string>>;
  /** Classes that a migration makes. */
  readonly migrated: readonly string[];
  /** The bucket that is bound as BUCKET. */
  readonly bucket: string | undefined;
}

/** What is used of wrangler's `Config`, whose types are in a package that it does not bring. */
interface WranglerConfig {
  readonly name?: string;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
  readonly migrations: readonly { readonly new_sqlite_classes?: readonly string[] }[];
  readonly r2_buckets: readonly { readonly binding: string; readonly bucket_name?: string }[];
}
interface RawConfig {
  readonly env?: Readonly<Record<string, unknown>>;
}

/** Reads the configuration. Throws a CommandFailed with what wrangler says of it. */
export function readDeployment({ config, env }: Target): Deployment {
  // wrangler takes a file that is not there for an empty one.
  if (!existsSync(config)) throw new CommandFailed("usage", `${config} does not exist`);
  const { environments, read } = parsed(config, env);
  if (env !== undefined && !environments.includes(env))
    throw new CommandFailed(
      "usage",
      `${config} has no environment ${env}: it has ${environments.join(", ") || "none"}`,
    );
  const { bindings } = read.durable_objects;
  return {
    config,
    env,
    worker: read.name ?? "",
    vars: Object.fromEntries(Object.entries(read.vars).filter(([, value]) => value !== "")),
    objects: Object.fromEntries(bindings.map(({ name, class_name }) => [name, class_name])),
    migrated: read.migrations.flatMap((step) => step.new_sqlite_classes ?? []),
    bucket: read.r2_buckets.find(({ binding }) => binding === "BUCKET")?.bucket_name,
  };
}

function parsed(
  config: string,
  env: string | undefined,
): { readonly environments: readonly string[]; readonly read: WranglerConfig } {
  try {
    const { rawConfig } = experimental_readRawConfig({ config }) as { rawConfig: RawConfig };
    const environments = Object.keys(rawConfig.env ?? {});
    const isKnown = env === undefined || environments.includes(env);
    // Of an environment that is not there wrangler would only warn.
    const read = unstable_readConfig({ config, env: isKnown ? env : "" }) as WranglerConfig;
    return { environments, read };
  } catch (error) {
    const why = stripVTControlCharacters(error instanceof Error ? error.message : String(error));
    throw new CommandFailed("usage", `${config} cannot be read: ${why}`, { cause: error });
  }
}

/** wrangler's arguments for the target; "" is what stands above the environments. */
export const targetArguments = ({ config, env = "" }: Target): string[] => [
  "--config",
  config,
  `--env=${env}`,
];

/** Runs the wrangler of package.json. */
export const wrangler = <T extends Options>(args: readonly string[], options: T) =>
  execa("wrangler", args, { ...options, preferLocal: true, localDir: ROOT });

/** What wrangler says of a Worker that was never deployed (Cloudflare's API, code 10007). */
const NO_WORKER = /10007|does not exist/i;

/**
 * Names of the secrets that the Worker has at Cloudflare: none before its first deployment. A text
 * says why they cannot be seen.
 */
export async function secretsAtCloudflare(target: Target): Promise<readonly string[] | string> {
  const args = ["secret", "list", "--format", "json", ...targetArguments(target)];
  // Without a terminal, since it would open a browser to log in.
  const { exitCode, stdout, stderr } = await wrangler(args, { reject: false, stdin: "ignore" });
  const said = stripVTControlCharacters(`${stderr}\n${stdout}`);
  if (exitCode !== 0) return NO_WORKER.test(said) ? [] : reasonIn(said);
  try {
    return (JSON.parse(stdout) as { readonly name: string }[]).map(({ name }) => name);
  } catch {
    return "wrangler secret list gave no JSON";
  }
}

/** The first sentence of wrangler's error. */
const reasonIn = (said: string): string =>
  /\[ERROR\]\s*(.+?)(?:\.\s|\.?$)/m.exec(said)?.[1]?.trim() ?? "wrangler secret list failed";

/** A file of secrets, as `wrangler deploy --secrets-file` takes it: JSON, or NAME=value lines. */
export async function readSecrets(file: string): Promise<Readonly<Record<string, string>>> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw new CommandFailed(
      "usage",
      `the secrets ${file} cannot be read: ${(error as Error).message}`,
    );
  });
  if (!text.trimStart().startsWith("{")) {
    // wrangler expands $NAME there, which the hash of every password has.
    if (/(?<!\\)\$/.test(text))
      throw new CommandFailed("usage", `the secrets ${file} have a $, so write them as JSON`);
    return parseEnv(text) as Record<string, string>;
  }
  try {
    const json = JSON.parse(text) as Record<string, unknown>;
    return Object.fromEntries(Object.entries(json).map(([name, value]) => [name, String(value)]));
  } catch {
    throw new CommandFailed("usage", `the secrets ${file} are neither JSON nor NAME=value lines`);
  }
}
