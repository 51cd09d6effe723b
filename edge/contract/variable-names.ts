/**
 * The names of the Worker's variables (edge/variables.ts), for the command that starts it on a
 * server. Of the limits, LIMIT_… (edge/access/limits.ts), it has only the prefix.
 */
export const VARIABLES = [
  "ACCESS",
  "ACCOUNTS",
  "AGREE",
  "ALLOW_UNSAFE_ORIGINS",
  "BINARY_CACHE",
  "BLOBS",
  "BUILD_WAIT",
  "CLIENT_ADDRESS_HEADER",
  "EDGE_HOST",
  "FARM_PUBLIC",
  "GC",
  "ORIGINS",
  "PACKAGES_ALLOW",
  "PACKAGES_DENY",
  "PACKAGE_SET",
  "PLATFORM_WAIT",
  "QUEUE_TOTAL",
  "REGIONS",
  "REGION_ORDER",
  "REGISTRY_URL",
  "REVISIONS",
  "S3_ACCESS_KEY_ID",
  "S3_BUCKET",
  "S3_ENDPOINT",
  "S3_HOME",
  "S3_PUBLIC_ENDPOINT",
  "S3_REGION",
  "S3_REPLICAS",
  "S3_SECRET_ACCESS_KEY",
  "SIGNING_KEY",
  "SYSTEMS",
  "TAGS",
  "TAG_FRESH",
  "TOKEN_KEY",
  "UPLOADS_PER_DAY",
  "WARM_PACKAGES",
  "WARM_SECONDS",
  "ZSTD",
] as const;

const NAMES: ReadonlySet<string> = new Set(VARIABLES);

/** Whether the Worker reads a variable of this name. */
export const isVariable = (name: string): boolean =>
  NAMES.has(name) || /^LIMIT_[A-Z_]+$/.test(name);
