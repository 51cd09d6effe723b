/**
 * Opens the configured bucket: the R2 binding where there is one, else the S3-compatible endpoint.
 */
import { ConfigError, NO_BUCKET, readS3 } from "../bucket-config.ts";
import type { Env } from "../env.ts";
import type { Bucket } from "./bucket.ts";
import { r2Bucket } from "./r2.ts";
import { s3Bucket } from "./s3.ts";

/** The one object of the class Housekeeping. */
export const KEEPER = "all";

/** One per isolate: it holds no state of a request. */
const buckets = new WeakMap<Env, Bucket>();

/** Throws a ConfigError when neither is configured. */
export function openBucket(env: Env): Bucket {
  let bucket = buckets.get(env);
  if (!bucket) buckets.set(env, (bucket = open(env)));
  return bucket;
}

function open(env: Env): Bucket {
  const bucket = storage(env);
  const { HOUSEKEEPING: keeper } = env;
  if (keeper === undefined) return bucket;
  return { ...bucket, claim: (keys) => keeper.getByName(KEEPER).claim(keys) };
}

function storage(env: Env): Bucket {
  if (env.BUCKET) return r2Bucket(env.BUCKET);
  const s3 = readS3(env);
  if (s3) return s3Bucket(s3);
  throw new ConfigError([NO_BUCKET]);
}
