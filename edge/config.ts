/**
 * The Worker's variables, all of them; what belongs to one room is parsed there. A wrong one is a
 * clear error that names the variable and the values it may have; what was given is never shown, since some of the
 * variables are secret.
 */
import * as v from "valibot";
import { type Access, type AccessVariables, readAccess } from "./access/access.ts";
import { type Limits, type LimitVariables, readLimits } from "./access/limits.ts";
import { type PackagePolicy, packagePolicy } from "./contract/package-policy.ts";
import { type PackageSetSpec, parsePackageSet } from "./contract/package-set.ts";
import { isRevision, MAX_VOUCHES } from "./contract/records.ts";
import { readReplicas, type Replicas, type ReplicaVariables } from "./pull/replicas.ts";
import { readRegions, type Regions, type RegionVariables } from "./farm/regions.ts";
import { configuredOrigins, isForOthers, type OriginVariables } from "./farm/configured-origins.ts";
import type { S3Config } from "./store/s3.ts";

/** The variables as the runtime hands them over. An empty one counts as not set. */
export interface Variables
  extends AccessVariables, LimitVariables, OriginVariables, RegionVariables, ReplicaVariables {
  /** `starter`, `channel:<name>`, `git:<url>` or `path:<dir>`: see contract/package-set.ts. */
  readonly PACKAGE_SET?: string;
  /** How blobs are answered: `stream`, `presign`, or `public:<base URL>`. */
  readonly BLOBS?: string;
  /**
   * An S3-compatible bucket: for presigned URLs, and for everything when there is no BUCKET
   * binding.
   */
  readonly S3_ENDPOINT?: string;
  readonly S3_BUCKET?: string;
  readonly S3_REGION?: string;
  readonly S3_ACCESS_KEY_ID?: string;
  readonly S3_SECRET_ACCESS_KEY?: string;
  /** Longest time a request is held while its build runs, seconds. */
  readonly BUILD_WAIT?: string;
  /**
   * A resolved tag is served without asking again for this long, seconds; after that it is served
   * stale while an origin resolves it anew.
   */
  readonly TAG_FRESH?: string;
  /** Most items (tags, packages, lists of names) of all clients that wait for origins. */
  readonly QUEUE_TOTAL?: string;
  /**
   * How many packages, of those pulled most, are published for a tag's new revision before the tag
   * moves to it, 30 when not set; 0: it moves at once. And how long that may take, seconds, 600 when
   * not set.
   */
  readonly WARM_PACKAGES?: string;
  readonly WARM_SECONDS?: string;
  /** `on` when layers are also made with zstd. */
  readonly ZSTD?: string;
  /** `on`: origins share built store paths in the bucket, a Nix binary cache. Needs S3_*. */
  readonly BINARY_CACHE?: string;
  /** Most bytes that one origin stores in a day, by uploads that the edge signs: `1T`, or `off`. */
  readonly UPLOADS_PER_DAY?: string;
  /** Header in which a proxy in front tells a client's address, where Cloudflare does not. */
  readonly CLIENT_ADDRESS_HEADER?: string;
  /** Commits that are served although no tag was seen at them, with spaces or commas. */
  readonly REVISIONS?: string;
  /**
   * How many origins, of different owners, must have made the same before it counts; 1 when left out
   * (farm/agreement.ts).
   */
  readonly AGREE?: string;
  /** Globs of package names that may be asked for, and of those that may not: package-policy.ts. */
  readonly PACKAGES_ALLOW?: string;
  readonly PACKAGES_DENY?: string;
}

/**
 * How blobs are served: streamed from the bucket through the Worker, or by a redirect to a presigned
 * URL or to a public base URL (without `/` at its end).
 */
export type BlobDelivery =
  | { readonly kind: "stream" }
  | { readonly kind: "presign"; readonly s3: S3Config }
  | { readonly kind: "public"; readonly base: string };

export interface Config {
  readonly packageSet: PackageSetSpec;
  readonly blobs: BlobDelivery;
  /** The S3 credentials that requests for others are signed with; null where there are none. */
  readonly s3: S3Config | null;
  /** How long a request is held while its build runs, milliseconds. */
  readonly buildWait: number;
  /** How long a resolved tag is served without resolving it again, milliseconds. */
  readonly tagFresh: number;
  /** Most items that wait for origins. */
  readonly queueTotal: number;
  /** Whether origins also make layers with zstd. */
  readonly zstd: boolean;
  /** Whether origins share what they built, in the bucket. */
  readonly binaryCache: boolean;
  /** Most bytes that one origin stores in a day; null for any number. */
  readonly uploadsPerDay: number | null;
  /** Who may pull, and who may have something built. */
  readonly access: Access;
  /** Revisions that belong to the set because the operator says so. */
  readonly revisions: readonly string[];
  /** How much each client may ask for. */
  readonly limits: Limits;
  /** Null: clients' addresses are known on Cloudflare only. */
  readonly clientAddressHeader: string | null;
  /** Whether only origins whose builds are sandboxed may connect. */
  readonly sandboxedOnly: boolean;
  /** What may be asked for at all. */
  readonly packages: PackagePolicy;
  /** Origins of so many owners must make the same. */
  readonly agree: number;
  /** What is published before a tag moves (farm/roll-forward.ts); `wait` in ms. */
  readonly warm: { readonly packages: number; readonly wait: number };
  /** Where there are farms. */
  readonly regions: Regions;
  /** Where there are copies of the bucket. */
  readonly replicas: Replicas | null;
}

/** The variables, and whether an R2 bucket is bound. */
type Environment = Variables & { readonly BUCKET?: unknown };

/** Something is wrong with the deployment, not with the request. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`this registry is not configured correctly: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** Longest BUILD_WAIT, seconds: longer than any client waits for the head of a response. */
const MAX_BUILD_WAIT = 3_600;
const MAX_TAG_FRESH = 86_400;
/** More than this would fill the memory of the farm's object; more than the default waits too long. */
/** Most WARM_PACKAGES: the farm keeps the list in one row. */
const MAX_WARM_PACKAGES = 1_000;
const MAX_WARM_SECONDS = 86_400;
const MAX_QUEUE_TOTAL = 50_000;
const QUEUE_TOTAL = 20_000;

const whole = (min: number, max: number, preset: number) => {
  const rule = `must be a whole number from ${min} to ${max}`;
  return v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,6}$/, rule),
      v.transform(Number),
      v.minValue(min, rule),
      v.maxValue(max, rule),
    ),
    String(preset),
  );
};
const seconds = (max: number, preset: number) => {
  const rule = `must be whole seconds from 0 to ${max}`;
  return v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,6}$/, rule), v.transform(Number), v.maxValue(max, rule)),
    String(preset),
  );
};
const UNITS = { M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 } as const;
/** `500G`: bytes; null for `off`. */
const bytes = (preset: string) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^([1-9]\d{0,5}[MGT]|off)$/, "must be a number with M, G or T behind it, or off"),
      v.transform((text) =>
        text === "off"
          ? null
          : Number(text.slice(0, -1)) * UNITS[text.slice(-1) as keyof typeof UNITS],
      ),
    ),
    preset,
  );
const isHttpUrl = (text: string): boolean =>
  URL.canParse(text) && /^https?:\/\/[^/]/.test(text) && !/[?#]/.test(text);
const PUBLIC = "public:";

const VariablesSchema = v.object({
  PACKAGE_SET: v.optional(v.string(), "starter"),
  BLOBS: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) =>
          text === "stream" ||
          text === "presign" ||
          (text.startsWith(PUBLIC) && isHttpUrl(text.slice(PUBLIC.length))),
        "must be stream, presign or public:<base URL>",
      ),
    ),
    "stream",
  ),
  EDGE_HOST: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^[^\s,/]*(\s*,\s*[^\s,/]+)*$/,
        "must be host or host:port, several with commas between them",
      ),
    ),
  ),
  BUILD_WAIT: seconds(MAX_BUILD_WAIT, 600),
  AGREE: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^([1-9]|1[0-6])$/, `must be a whole number from 1 to ${MAX_VOUCHES}`),
      v.transform(Number),
    ),
    "1",
  ),
  TAG_FRESH: seconds(MAX_TAG_FRESH, 60),
  // All of nixpkgs takes a few of these; an origin that fills the bucket is seen long before.
  UPLOADS_PER_DAY: bytes("1T"),
  QUEUE_TOTAL: whole(1, MAX_QUEUE_TOTAL, QUEUE_TOTAL),
  WARM_PACKAGES: whole(0, MAX_WARM_PACKAGES, 30),
  WARM_SECONDS: seconds(MAX_WARM_SECONDS, 600),
  ZSTD: v.optional(v.picklist(["on", "off"], "must be on or off")),
  BINARY_CACHE: v.optional(v.picklist(["on", "off"], "must be on or off")),
  ALLOW_UNSAFE_ORIGINS: v.optional(v.picklist(["on", "off"], "must be on or off")),
  REVISIONS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) => text.split(/[\s,]+/).filter((revision) => revision !== "")),
      v.check((all) => all.every(isRevision), "must be commits of 40 lower-case hex digits"),
    ),
    "",
  ),
  CLIENT_ADDRESS_HEADER: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9-]+$/, "must be the name of a header")),
  ),
});

/**
 * By environment: the Worker's, and those of Durable Objects. Values, not promises: one request must
 * not wait for another's, which may be cancelled.
 */
const configs = new WeakMap<Environment, Config>();

/** All of the configuration, validated once per isolate. Throws a ConfigError with every problem. */
export async function readConfig(env: Environment): Promise<Config> {
  let config = configs.get(env);
  if (!config) configs.set(env, (config = await validate(env)));
  return config;
}

/** Whether every request must be authorized before anything is answered. Needs no validation. */
export const isPrivate = ({ ACCESS }: Variables): boolean => ACCESS === "private";

/** Whether anything is said of who may pull. Needs no validation. */
export const setsAccess = ({ ACCESS, ACCOUNTS }: Variables): boolean =>
  Boolean(ACCESS) || Boolean(ACCOUNTS);

export const NO_BUCKET =
  "there is no bucket: bind an R2 bucket as BUCKET, or set S3_ENDPOINT and the rest of S3_*";

/** The S3-compatible bucket, null when S3_ENDPOINT is not set. Throws a ConfigError. */
export function readS3(env: Variables): S3Config | null {
  const { S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = env;
  if (!S3_ENDPOINT) return null;
  const problems = Object.entries({ S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY })
    .filter(([, value]) => !value)
    .map(([name]) => `${name} is not set, and S3_ENDPOINT is`);
  if (!isHttpUrl(S3_ENDPOINT))
    problems.push("S3_ENDPOINT must be an http:// or https:// URL without query");
  if (problems.length > 0 || !S3_BUCKET || !S3_ACCESS_KEY_ID || !S3_SECRET_ACCESS_KEY)
    throw new ConfigError(problems);
  return {
    endpoint: S3_ENDPOINT,
    bucket: S3_BUCKET,
    region: env.S3_REGION || "auto",
    accessKeyId: S3_ACCESS_KEY_ID,
    secretAccessKey: S3_SECRET_ACCESS_KEY,
  };
}

async function validate(env: Environment): Promise<Config> {
  const problems: string[] = [];
  const attempt = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (error instanceof ConfigError) problems.push(...error.problems);
      else problems.push(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  // wrangler.toml can only set a variable to nothing, not leave it out: both mean the same.
  const given: Variables = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== ""),
  );
  const variables = v.safeParse(VariablesSchema, given);
  if (!variables.success)
    for (const issue of variables.issues)
      problems.push(`${v.getDotPath(issue) ?? "a variable"} ${issue.message}`);
  const values = variables.success ? variables.output : undefined;

  const s3 = await attempt(() => readS3(env));
  const origins = await attempt(() => configuredOrigins(env));
  const owners = new Set([...(origins?.values() ?? [])].map(({ owner }) => owner)).size;
  if (values !== undefined && values.AGREE > 1 && owners < values.AGREE)
    problems.push(
      `AGREE is ${values.AGREE}, and ORIGINS has origins of ${owners} owner${owners === 1 ? "" : "s"}: so many could never agree`,
    );
  if (!env.BUCKET && s3 === null) problems.push(NO_BUCKET);
  const packageSet = values && (await attempt(() => parsePackageSet(values.PACKAGE_SET)));
  const blobs = values && (await attempt(() => blobDelivery(values.BLOBS, s3 ?? null)));
  const access = await attempt(() => readAccess(given));
  const packages = await attempt(() => packagePolicy(given));
  const limits = await attempt(() => readLimits(given));
  const regions = await attempt(() => readRegions(given));
  const replicas = await attempt(() => readReplicas(given, s3 ?? null));
  if (access?.mode === "private" && blobs?.kind === "public")
    problems.push(
      "ACCESS=private needs BLOBS=stream or BLOBS=presign: a public URL is for anybody",
    );
  if (
    problems.length > 0 ||
    !values ||
    !packageSet ||
    !blobs ||
    !access ||
    !packages ||
    !limits ||
    !regions
  )
    throw new ConfigError(problems);
  return {
    packageSet,
    warm: { packages: values.WARM_PACKAGES, wait: values.WARM_SECONDS * 1_000 },
    regions,
    replicas: replicas ?? null,
    blobs,
    s3: s3 ?? null,
    buildWait: values.BUILD_WAIT * 1_000,
    tagFresh: values.TAG_FRESH * 1_000,
    queueTotal: values.QUEUE_TOTAL,
    zstd: values.ZSTD === "on",
    binaryCache: values.BINARY_CACHE === "on",
    uploadsPerDay: values.UPLOADS_PER_DAY,
    sandboxedOnly: isForOthers(given) && values.ALLOW_UNSAFE_ORIGINS !== "on",
    access,
    packages,
    agree: values.AGREE,
    limits,
    revisions: values.REVISIONS,
    clientAddressHeader: values.CLIENT_ADDRESS_HEADER ?? null,
  };
}

function blobDelivery(text: string, s3: S3Config | null): BlobDelivery {
  if (text === "stream") return { kind: "stream" };
  if (text !== "presign")
    return { kind: "public", base: text.slice(PUBLIC.length).replace(/\/+$/, "") };
  if (s3) return { kind: "presign", s3 };
  throw new ConfigError([
    "BLOBS=presign needs S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
  ]);
}
