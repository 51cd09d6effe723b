/**
 * The Worker's variables, validated once for each isolate. A wrong one is a clear error that names
 * the variable and what it may be; values are never shown, some are secret.
 */
import * as v from "valibot";
import type { S3Config } from "./store/s3.ts";
import type { Env } from "./env.ts";
import { originKeys } from "./farm/token.ts";
import { type PackageSetSpec, parsePackageSet } from "./contract/package-set.ts";

/**
 * How blobs are answered: from the bucket through the Worker, or by a redirect to a presigned URL
 * or to a public base URL (without `/` at its end).
 */
export type BlobDelivery =
  | { readonly kind: "stream" }
  | { readonly kind: "presign"; readonly s3: S3Config }
  | { readonly kind: "public"; readonly base: string };

export interface Config {
  readonly packageSet: PackageSetSpec;
  readonly blobs: BlobDelivery;
  /** How long a request is held while its build runs, milliseconds. */
  readonly buildWait: number;
  /** How long a resolved tag is served without asking again, milliseconds. */
  readonly tagFresh: number;
}

/** Something is wrong with the deployment, not with the request. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`this registry is not configured correctly: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/** Longest BUILD_WAIT, seconds: longer than any client waits for the head of an answer. */
const MAX_BUILD_WAIT = 3_600;
const MAX_TAG_FRESH = 86_400;

const seconds = (max: number, preset: number) => {
  const says = `must be whole seconds from 0 to ${max}`;
  return v.optional(
    v.pipe(v.string(), v.regex(/^\d{1,6}$/, says), v.transform(Number), v.maxValue(max, says)),
    String(preset),
  );
};
const httpUrl = (text: string): boolean =>
  URL.canParse(text) && /^https?:\/\/[^/]/.test(text) && !/[?#]/.test(text);

const VariablesSchema = v.object({
  PACKAGE_SET: v.optional(v.string(), "starter"),
  BLOBS: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) =>
          text === "stream" ||
          text === "presign" ||
          (text.startsWith("public:") && httpUrl(text.slice("public:".length))),
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
  TAG_FRESH: seconds(MAX_TAG_FRESH, 60),
  ZSTD: v.optional(v.picklist(["on", "off"], "must be on or off")),
});

/**
 * One for each environment of the isolate: the Worker's, and those of Durable Objects. Values, not
 * promises: one request must not wait for another's, which may be cancelled.
 */
const known = new WeakMap<Env, Config>();

/** Throws a ConfigError that lists everything that is wrong. */
export async function readConfig(env: Env): Promise<Config> {
  let config = known.get(env);
  if (!config) known.set(env, (config = await validate(env)));
  return config;
}

/** The S3-compatible bucket, null when S3_ENDPOINT is not set. Throws a ConfigError. */
export function readS3(env: Env): S3Config | null {
  const { S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = env;
  if (!S3_ENDPOINT) return null;
  const missing = Object.entries({ S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY }).filter(
    ([, value]) => !value,
  );
  const problems = missing.map(([name]) => `${name} is not set, and S3_ENDPOINT is`);
  if (!httpUrl(S3_ENDPOINT))
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

async function validate(env: Env): Promise<Config> {
  const problems: string[] = [];
  const attempt = async <T>(read: () => T | Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      problems.push(
        ...(error instanceof ConfigError
          ? error.problems
          : [error instanceof Error ? error.message : String(error)]),
      );
      return undefined;
    }
  };
  // A variable that is set to nothing is one that is not set: wrangler.toml has no other way to say
  // so.
  const given = Object.fromEntries(
    Object.entries(env as unknown as Record<string, unknown>).filter(([, value]) => value !== ""),
  );
  const variables = v.safeParse(VariablesSchema, given);
  if (!variables.success)
    problems.push(
      ...variables.issues.map((issue) => `${v.getDotPath(issue) ?? "a variable"} ${issue.message}`),
    );
  const s3 = await attempt(() => readS3(env));
  await attempt(() => originKeys(env));
  if (!env.BUCKET && s3 === null)
    problems.push(
      "there is no bucket: bind an R2 bucket as BUCKET, or set S3_ENDPOINT and the rest of S3_*",
    );

  const {
    PACKAGE_SET = "",
    BLOBS = "",
    BUILD_WAIT = 0,
    TAG_FRESH = 0,
  } = variables.success ? variables.output : {};
  const packageSet = variables.success
    ? await attempt(() => parsePackageSet(PACKAGE_SET))
    : undefined;
  if (BLOBS === "presign" && s3 === null)
    problems.push(
      "BLOBS=presign needs S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
    );
  if (problems.length > 0 || packageSet === undefined) throw new ConfigError(problems);
  return {
    packageSet,
    blobs: delivery(BLOBS, s3 ?? null),
    buildWait: BUILD_WAIT * 1_000,
    tagFresh: TAG_FRESH * 1_000,
  };
}

function delivery(text: string, s3: S3Config | null): BlobDelivery {
  if (text === "presign" && s3) return { kind: "presign", s3 };
  if (text.startsWith("public:"))
    return { kind: "public", base: text.slice("public:".length).replace(/\/+$/, "") };
  return { kind: "stream" };
}
