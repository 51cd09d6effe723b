/** Parses the variables that say where the bucket is and how blobs are served from it. */
import type { S3Config } from "./store/s3-client.ts";

export interface BucketVariables {
  /** How blobs are answered: `stream`, `presign`, or `public:<base URL>`. */
  readonly BLOBS?: string;
  /**
   * An S3-compatible bucket: for presigned URLs, and for everything when there is no BUCKET
   * binding.
   */
  readonly S3_ENDPOINT?: string;
  /** Address at which origins and clients reach the endpoint, if it differs from the edge's. */
  readonly S3_PUBLIC_ENDPOINT?: string;
  readonly S3_BUCKET?: string;
  readonly S3_REGION?: string;
  readonly S3_ACCESS_KEY_ID?: string;
  readonly S3_SECRET_ACCESS_KEY?: string;
}

const isHttpUrl = (text: string): boolean =>
  URL.canParse(text) && /^https?:\/\/[^/]/.test(text) && !/[?#]/.test(text);
const PUBLIC = "public:";

/** The deployment is wrong, not the request. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`this registry is not configured correctly: ${problems.join("; ")}`);
    this.problems = problems;
  }
}

/**
 * How blobs are served: streamed from the bucket through the Worker, or by a redirect to a
 * presigned URL or to a public base URL (without `/` at its end).
 */
export type BlobDelivery =
  | { readonly kind: "stream" }
  | { readonly kind: "presign"; readonly s3: S3Config }
  | { readonly kind: "public"; readonly base: string };

export const NO_BUCKET =
  "there is no bucket: bind an R2 bucket as BUCKET, or set S3_ENDPOINT and the rest of S3_*";

/** The S3-compatible bucket, or null when S3_ENDPOINT is not set. Throws a ConfigError. */
export function readS3(env: BucketVariables): S3Config | null {
  const { S3_ENDPOINT, S3_PUBLIC_ENDPOINT, S3_BUCKET } = env;
  const { S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = env;
  if (!S3_ENDPOINT) return null;
  const problems = Object.entries({ S3_BUCKET, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY })
    .filter(([, value]) => !value)
    .map(([name]) => `${name} is not set, and S3_ENDPOINT is`);
  if (!isHttpUrl(S3_ENDPOINT))
    problems.push("S3_ENDPOINT must be an http:// or https:// URL without query");
  if (S3_PUBLIC_ENDPOINT && !isHttpUrl(S3_PUBLIC_ENDPOINT))
    problems.push("S3_PUBLIC_ENDPOINT must be an http:// or https:// URL without query");
  if (problems.length > 0 || !S3_BUCKET || !S3_ACCESS_KEY_ID || !S3_SECRET_ACCESS_KEY)
    throw new ConfigError(problems);
  return {
    endpoint: S3_ENDPOINT,
    ...(S3_PUBLIC_ENDPOINT ? { publicEndpoint: S3_PUBLIC_ENDPOINT } : {}),
    bucket: S3_BUCKET,
    region: env.S3_REGION || "auto",
    accessKeyId: S3_ACCESS_KEY_ID,
    secretAccessKey: S3_SECRET_ACCESS_KEY,
  };
}

/** Whether BLOBS has one of its three forms. */
export const isBlobDelivery = (text: string): boolean =>
  text === "stream" ||
  text === "presign" ||
  (text.startsWith(PUBLIC) && isHttpUrl(text.slice(PUBLIC.length)));

/** Parses a valid BLOBS value. Throws a ConfigError when `presign` lacks S3 credentials. */
export function blobDelivery(text: string, s3: S3Config | null): BlobDelivery {
  if (text === "stream") return { kind: "stream" };
  if (text !== "presign")
    return { kind: "public", base: text.slice(PUBLIC.length).replace(/\/+$/, "") };
  if (s3) return { kind: "presign", s3 };
  throw new ConfigError([
    "BLOBS=presign needs S3_ENDPOINT, S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY",
  ]);
}
