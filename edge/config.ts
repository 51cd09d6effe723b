/**
 * The Worker's configuration: every variable, parsed and validated. (A variable that only one room
 * uses is parsed in that room.) The error for a wrong variable names it and the values it may have,
 * but never shows the value given, since some are secret.
 */
import * as v from "valibot";
import { type Access, readAccess } from "./access/access-config.ts";
import { type Limits, readLimits } from "./access/limits.ts";
import {
  type BlobDelivery,
  blobDelivery,
  ConfigError,
  NO_BUCKET,
  readS3,
} from "./bucket-config.ts";
import { type PackagePolicy, packagePolicy, parseGlobs } from "./contract/package-policy.ts";
import { type PackageSetSpec, parsePackageSet } from "./contract/package-set.ts";
import { issueText } from "./contract/fields.ts";
import { SYSTEMS, type System } from "./contract/records.ts";
import { readReplicas, type Replicas } from "./pull/replicas.ts";
import { readRegions, type Regions } from "./farm/regions.ts";
import {
  type ConfiguredOrigin,
  configuredOrigins,
  isForOthers,
  originHosts,
} from "./farm/origins/configured-origins.ts";
import { readSigningKey, type SigningKey } from "./referrers/signing-key.ts";
import type { S3Config } from "./store/s3-client.ts";
import { type Variables, VariablesSchema } from "./variables.ts";

export interface Config {
  readonly packageSet: PackageSetSpec;
  readonly blobs: BlobDelivery;
  /**
   * S3 credentials with which requests are signed on behalf of origins and clients; null without
   * S3.
   */
  readonly s3: S3Config | null;
  /** How long a request is held while its build runs, milliseconds. */
  readonly buildWait: number;
  /** Systems that every image is built for; the first is the default. */
  readonly systems: readonly [System, ...System[]];
  /** Longest wait of an index for platforms that were not asked for, milliseconds. */
  readonly platformWait: number;
  /** How long a resolved tag is served without resolving it again, milliseconds. */
  readonly tagFresh: number;
  /** Most items that may wait for origins. */
  readonly queueTotal: number;
  /** Whether origins also make a zstd form of each layer. */
  readonly zstd: boolean;
  /** Whether origins share built store paths through the bucket. */
  readonly binaryCache: boolean;
  /** Whether the farm's counts are public. */
  readonly farmPublic: boolean;
  /** Most bytes that one origin may store in a day; null for no limit. */
  readonly uploadsPerDay: number | null;
  /** Who may pull, and whose pulls may start a build. */
  readonly access: Access;
  /** Globs of the tags that are served beside latest, commits and dates; null for any. */
  readonly tags: readonly string[] | null;
  /** Revisions that the operator declares to be part of the package set. */
  readonly revisions: readonly string[];
  /** How much each client may ask for. */
  readonly limits: Limits;
  /** Null: client addresses are known on Cloudflare only. */
  readonly clientAddressHeader: string | null;
  /** Whether only origins whose builds are sandboxed may connect. */
  readonly sandboxedOnly: boolean;
  /** Which packages may be requested at all. */
  readonly packages: PackagePolicy;
  /** How many owners' origins must report the same result before it counts. */
  readonly agree: number;
  /** What is published before a tag moves (farm/roll-forward.ts); `wait` in ms. */
  readonly warm: { readonly packages: number; readonly wait: number };
  /** Images that nobody has pulled for this many seconds are collected; null: only by `firn gc`. */
  readonly gc: number | null;
  /** The regions that have a farm. */
  readonly regions: Regions;
  /** Copies of the bucket, by region. */
  readonly replicas: Replicas | null;
  /** EDGE_HOST: the host names of this registry. */
  readonly hosts: readonly string[];
  /** The key that signs images; null where images are not signed. */
  readonly signingKey: SigningKey | null;
}

/** The variables, and whether an R2 bucket is bound. */
type Environment = Variables & { readonly BUCKET?: unknown };

/**
 * Keyed by environment: the Worker's, and those of Durable Objects. It holds values, never
 * promises: a promise belongs to a request, which may be cancelled.
 */
const configs = new WeakMap<Environment, Config>();

/**
 * The whole configuration, validated once per isolate. Throws a ConfigError that lists every
 * problem.
 */
export async function readConfig(env: Environment): Promise<Config> {
  let config = configs.get(env);
  if (!config) configs.set(env, (config = await validate(env)));
  return config;
}

/** Whether every request must be authorized before it is answered. Needs no validation. */
export const isPrivate = ({ ACCESS }: Variables): boolean => ACCESS === "private";

/** Whether ACCESS or ACCOUNTS is set. Needs no validation. */
export const setsAccess = ({ ACCESS, ACCOUNTS }: Variables): boolean =>
  Boolean(ACCESS) || Boolean(ACCOUNTS);

async function validate(env: Environment): Promise<Config> {
  // wrangler.toml can set a variable to an empty string but cannot leave it out: both count as
  // unset.
  const given: Variables = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== ""),
  );
  const problems: string[] = [];
  const parts = await readParts(given, problems);
  problems.push(...contradictions(parts, Boolean(env.BUCKET)));
  if (problems.length > 0) throw new ConfigError(problems);
  return configOf(given, parts as Complete<Parts>);
}

type Parts = Awaited<ReturnType<typeof readParts>>;
/** The parts once there are no problems, so that each of them could be read. */
type Complete<T> = { readonly [Name in keyof T]: Exclude<T[Name], undefined> };

/** Has each room parse its variables. A part that is wrong is undefined, and adds to `problems`. */
async function readParts(given: Variables, problems: string[]) {
  const attempt = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (error instanceof ConfigError) problems.push(...error.problems);
      else problems.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const values = await attempt(() => ownVariables(given));
  const s3 = await attempt(() => readS3(given));
  return {
    values,
    s3,
    origins: await attempt(() => configuredOrigins(given)),
    packageSet: values && (await attempt(() => parsePackageSet(values.PACKAGE_SET))),
    blobs: values && (await attempt(() => blobDelivery(values.BLOBS, s3 ?? null))),
    access: await attempt(() => readAccess(given)),
    packages: await attempt(() => packagePolicy(given)),
    tags: await attempt(() => parseGlobs("TAGS", given.TAGS ?? "")),
    limits: await attempt(() => readLimits(given)),
    regions: await attempt(() => readRegions(given)),
    replicas: await attempt(() => readReplicas(given, s3 ?? null)),
    signingKey: await attempt(() => readSigningKey(given)),
  };
}

/** Parses the variables that belong to no room. Throws a ConfigError. */
function ownVariables(given: Variables): v.InferOutput<typeof VariablesSchema> {
  const parsed = v.safeParse(VariablesSchema, given);
  if (parsed.success) return parsed.output;
  throw new ConfigError(
    parsed.issues.map((issue) => `${v.getDotPath(issue) ?? "a variable"} ${issueText(issue)}`),
  );
}

/** Problems between variables that are each valid on their own. */
function contradictions(
  { values, s3, origins, access, blobs }: Parts,
  hasBucket: boolean,
): string[] {
  const problems: string[] = [];
  const owners = new Set([...(origins?.values() ?? [])].map(({ owner }) => owner)).size;
  if (values !== undefined && values.AGREE > 1 && owners < values.AGREE)
    problems.push(
      `AGREE is ${values.AGREE}, and ORIGINS has origins of ${owners} ` +
        `owner${owners === 1 ? "" : "s"}: that many could never agree`,
    );
  if (!hasBucket && s3 === null) problems.push(NO_BUCKET);
  if (access?.mode === "private" && blobs?.kind === "public")
    problems.push(
      "ACCESS=private needs BLOBS=stream or BLOBS=presign: a public URL is for anybody",
    );
  return problems;
}

function configOf(given: Variables, { values, origins, tags, ...parts }: Complete<Parts>): Config {
  return {
    ...parts,
    warm: { packages: values.WARM_PACKAGES, wait: values.WARM_SECONDS * 1_000 },
    gc: values.GC,
    hosts: originHosts(given),
    buildWait: values.BUILD_WAIT * 1_000,
    systems: systemsOf(values.SYSTEMS, origins),
    platformWait: values.PLATFORM_WAIT * 1_000,
    tagFresh: values.TAG_FRESH * 1_000,
    queueTotal: values.QUEUE_TOTAL,
    zstd: values.ZSTD === "on",
    binaryCache: values.BINARY_CACHE === "on",
    farmPublic: values.FARM_PUBLIC === "on",
    uploadsPerDay: values.UPLOADS_PER_DAY,
    sandboxedOnly: isForOthers(given) && values.ALLOW_UNSAFE_ORIGINS !== "on",
    agree: values.AGREE,
    tags: tags.length > 0 ? tags : null,
    revisions: values.REVISIONS,
    clientAddressHeader: values.CLIENT_ADDRESS_HEADER ?? null,
  };
}

/**
 * The systems in SYSTEMS, else those that the origins are configured for, else the first known one.
 */
function systemsOf(
  said: readonly System[] = [],
  origins: ReadonlyMap<string, ConfiguredOrigin> = new Map(),
): readonly [System, ...System[]] {
  const configured = new Set([...origins.values()].flatMap(({ systems = [] }) => systems));
  const [first, ...others] =
    said.length > 0 ? said : SYSTEMS.filter((system) => configured.has(system));
  return first === undefined ? [SYSTEMS[0]] : [first, ...others];
}
