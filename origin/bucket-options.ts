/**
 * Which bucket a command uses, and with which credentials: the endpoint from its options, the keys
 * from the environment alone.
 */
import { CommandFailed } from "./commands/exit-codes.ts";
import type { BucketAccess } from "./layers/index.ts";
import { secret } from "./process.ts";

/** The bucket of the options. Throws a CommandFailed when the environment has no keys for it. */
export function bucketOf(options: {
  readonly s3Endpoint: string;
  readonly s3Bucket: string;
  readonly s3Region: string;
}): BucketAccess {
  return {
    endpoint: options.s3Endpoint,
    bucket: options.s3Bucket,
    region: options.s3Region,
    accessKeyId: secret("S3_ACCESS_KEY_ID"),
    secretAccessKey: secret("S3_SECRET_ACCESS_KEY"),
  };
}

const S3_VARIABLES = ["S3_ENDPOINT", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];

/**
 * The bucket with the origin's own credentials; undefined when neither endpoint, bucket nor keys
 * are set. Throws an Error that names what is missing when only some are.
 */
export function ownBucketOf({
  s3Endpoint,
  s3Bucket,
  s3Region,
}: {
  readonly s3Endpoint?: string | undefined;
  readonly s3Bucket?: string | undefined;
  readonly s3Region: string;
}): BucketAccess | undefined {
  const secrets = S3_VARIABLES.slice(2).map((name) => process.env[name] || undefined);
  const given = [s3Endpoint, s3Bucket, ...secrets];
  if (given.every((value) => value === undefined)) return undefined;
  if (s3Endpoint !== undefined && s3Bucket !== undefined && !secrets.includes(undefined))
    return bucketOf({ s3Endpoint, s3Bucket, s3Region });
  const lacking = S3_VARIABLES.filter((_, at) => given[at] === undefined);
  throw new CommandFailed(
    "usage",
    `${lacking.join(" and ")} ${lacking.length === 1 ? "is" : "are"} not set: set all of ` +
      `${S3_VARIABLES.join(", ")} for an origin with credentials of its own, or none, and the ` +
      `edge signs its uploads`,
  );
}
