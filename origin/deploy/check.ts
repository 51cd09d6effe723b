/**
 * Finds what is wrong with a deployment before it is made: what the Worker would refuse to start
 * with (by its own edge/config.ts), and settings that are most likely mistakes.
 */
import { isLoopback } from "../../edge/contract/loopback.ts";
import { isVariable } from "../../edge/contract/variable-names.ts";
import type { Deployment } from "./deployment.ts";
import { type Environment, problemsOfWorker } from "../server/worker-check.ts";

export interface Secrets {
  /** Those that this deployment brings. */
  readonly given: Readonly<Record<string, string>>;
  /** Names of those that the Worker has; null: not known. */
  readonly kept: readonly string[] | null;
}

/** Variables that must not be in wrangler.toml, which everybody with the repository can read. */
const SECRETS: ReadonlySet<string> = new Set([
  "ACCOUNTS",
  "TOKEN_KEY",
  "S3_ACCESS_KEY_ID",
  "S3_SECRET_ACCESS_KEY",
  "SIGNING_KEY",
]);
const S3 = ["S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];
/** Durable Objects by binding: an environment inherits no bindings, so one is easily forgotten. */
const OBJECTS: Readonly<Record<string, string>> = {
  FARM: "Farm",
  BUILD: "Build",
  TOTALS: "Totals",
  HOUSEKEEPING: "Housekeeping",
};

/** Valid values in place of secrets that only Cloudflare knows. */
const STAND_INS: Environment = {
  ACCOUNTS: JSON.stringify({
    somebody: { password: `pbkdf2-sha256$100000$${"A".repeat(22)}$${"A".repeat(43)}` },
  }),
  TOKEN_KEY: "a key that Cloudflare alone knows".padEnd(64, "."),
  S3_ACCESS_KEY_ID: "known to Cloudflare alone",
  S3_SECRET_ACCESS_KEY: "known to Cloudflare alone",
};

/** The problems, a line for each: the variable, what is wrong, what to do. */
export async function problemsOf(deployment: Deployment, secrets: Secrets): Promise<string[]> {
  const { vars, worker } = deployment;
  const has = (name: string): boolean =>
    vars[name] !== undefined ||
    Boolean(secrets.given[name]) ||
    (secrets.kept?.includes(name) ?? SECRETS.has(name));
  return [
    ...(worker === "" ? ["the Worker has no name: set name, firn"] : []),
    ...problemsOfVars(deployment),
    ...problemsOfBindings(deployment),
    ...problemsOfHost(vars["EDGE_HOST"] ?? secrets.given["EDGE_HOST"], has("EDGE_HOST")),
    ...(has("ORIGINS") ? [] : [NO_ORIGINS]),
    ...(has("PACKAGE_SET") ? [] : [NO_PACKAGE_SET]),
    ...problemsOfS3(deployment, has),
    ...(await problemsOfWorker(environmentOf(deployment, secrets))),
  ];
}

const NO_ORIGINS =
  "ORIGINS is not set, so nothing can be built: `npm run firn -- keygen --name rack-1 --out " +
  "rack-1.key` prints a line of it";
const NO_PACKAGE_SET =
  "PACKAGE_SET is not set: starter, channel:nixos-unstable, git:<url> or flake:<url>";

function problemsOfVars({ vars, env }: Deployment): string[] {
  const where = env === undefined ? "--env=" : `--env ${env}`;
  return Object.entries(vars).flatMap(([name, value]) => {
    if (!isVariable(name)) return [`${name} is no variable of the Worker: edge/configuration.md`];
    if (typeof value !== "string") return [`${name} must be text: put it into quotes`];
    if (!SECRETS.has(name)) return [];
    return [
      `${name} is a secret, and [vars] is for everybody who reads the file: take it out, and ` +
        `\`npx wrangler secret put ${name} ${where}\``,
    ];
  });
}

const problemsOfBindings = ({ objects, migrated }: Deployment): string[] =>
  Object.entries(OBJECTS).flatMap(([binding, name]) => {
    if (objects[binding] !== name)
      return [`the Durable Object ${binding} is not bound: its class_name is ${name}`];
    return migrated.includes(name) ? [] : [`no [[migrations]] has ${name} in new_sqlite_classes`];
  });

function problemsOfHost(host: unknown, isSet: boolean): string[] {
  if (!isSet)
    return ["EDGE_HOST is not set: the host by which origins reach the edge, registry.example.org"];
  if (typeof host !== "string") return [];
  return host
    .split(",")
    .map((one) => one.trim())
    .filter(isLoopback)
    .map((one) => `EDGE_HOST has ${one}, which only the machine itself reaches`);
}

function problemsOfS3({ vars, bucket }: Deployment, has: (name: string) => boolean): string[] {
  const { S3_ENDPOINT, S3_BUCKET } = vars;
  // Of the other half the Worker's own check tells.
  if (!has("S3_ENDPOINT") && S3_BUCKET !== undefined)
    return [
      "S3_BUCKET is set, and S3_ENDPOINT is not: https://ACCOUNT.r2.cloudflarestorage.com for R2; " +
        "take both out when origins have credentials of their own",
    ];
  const isR2 =
    typeof S3_ENDPOINT === "string" && /\.r2\.cloudflarestorage\.com\/?$/.test(S3_ENDPOINT);
  if (isR2 && bucket !== undefined && S3_BUCKET !== undefined && S3_BUCKET !== bucket)
    return [
      `S3_BUCKET is ${String(S3_BUCKET)}, and BUCKET is bound to ${bucket}: origins would store ` +
        `where the edge does not read`,
    ];
  return [];
}

/** What an operator should know although it is not a fault. */
export function remarksOn(deployment: Deployment, secrets: Secrets): string[] {
  const { vars } = deployment;
  const has = (name: string): boolean =>
    vars[name] !== undefined ||
    Boolean(secrets.given[name]) ||
    secrets.kept?.includes(name) === true;
  return [
    ...(has("S3_ENDPOINT")
      ? []
      : ["S3_ENDPOINT is not set: each origin needs credentials of the bucket (S3_*)"]),
    ...(has("ACCOUNTS") || secrets.kept === null
      ? []
      : ["ACCOUNTS is not set: nobody can sign in, and nobody is an operator"]),
    ...(vars["ALLOW_UNSAFE_ORIGINS"] === "on"
      ? ["ALLOW_UNSAFE_ORIGINS is on: origins without a sandbox may build for everybody"]
      : []),
  ];
}

/** The variables that the Worker will have, with stand-ins for unknown secrets. */
function environmentOf({ vars, bucket }: Deployment, { given, kept }: Secrets): Environment {
  const texts = Object.entries(vars).filter(([, value]) => typeof value === "string");
  const known = { ...(Object.fromEntries(texts) as Environment), ...given };
  const needed = known["S3_ENDPOINT"] === undefined ? [] : S3;
  const names = kept ?? [
    ...needed,
    ...(["cached", "private"].includes(known["ACCESS"] ?? "") ? ["ACCOUNTS", "TOKEN_KEY"] : []),
  ];
  const hidden = names.filter((name) => known[name] === undefined);
  const standIns = hidden.flatMap((name) => {
    const value = STAND_INS[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // How many owners agree cannot be told from origins that nobody sees.
  if (hidden.includes("ORIGINS")) delete known["AGREE"];
  return {
    ...known,
    ...Object.fromEntries(standIns),
    ...(bucket === undefined ? {} : { BUCKET: bucket }),
  };
}
