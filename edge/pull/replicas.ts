/**
 * Replicas of an S3 bucket in other regions: the variables, and choosing the one nearest to a
 * client.
 */
import * as v from "valibot";
import { LOCATIONS, type Region, regionsFor } from "../farm/regions.ts";
import { type Bucket } from "../store/bucket.ts";
import { replicatedBucket } from "../store/replica.ts";
import { s3Bucket } from "../store/s3.ts";
import type { S3Config } from "../store/s3-client.ts";

export interface ReplicaVariables {
  /**
   * JSON object, region → a copy of the S3 bucket, which its provider keeps up to date: `{"apac":
   * {"endpoint": "https://…", "bucket": "firn-apac", "region": "ap-southeast-1"}}`. Copies are read
   * with the credentials of the bucket itself.
   */
  readonly S3_REPLICAS?: string;
  /** Region of the bucket itself, required if it has copies. */
  readonly S3_HOME?: string;
}

export interface Replicas {
  readonly home: Region;
  readonly copies: ReadonlyMap<Region, S3Config>;
}

const REGION = v.picklist(LOCATIONS, `must be one of ${LOCATIONS.join(", ")}`);
const CopiesSchema = v.pipe(
  v.string(),
  v.parseJson(undefined, "must be a JSON object, region → endpoint, bucket and region"),
  v.record(
    REGION,
    v.strictObject({
      endpoint: v.pipe(v.string(), v.url("must be a URL"), v.regex(/^https?:/, "must be a URL")),
      bucket: v.pipe(v.string(), v.minLength(1)),
      region: v.optional(v.string(), "auto"),
    }),
  ),
);

/**
 * Null without S3_REPLICAS. Throws an Error that names the wrong variable. `s3`: the bucket that is
 * copied.
 */
export function readReplicas(
  { S3_REPLICAS = "", S3_HOME = "" }: ReplicaVariables,
  s3: S3Config | null,
): Replicas | null {
  if (S3_REPLICAS === "") return null;
  if (s3 === null) throw new Error("S3_REPLICAS needs S3_ENDPOINT: an R2 bucket has no replicas");
  const home = v.safeParse(REGION, S3_HOME);
  if (!home.success) throw new Error(`S3_HOME ${home.issues[0].message}, with S3_REPLICAS`);
  const copies = v.safeParse(CopiesSchema, S3_REPLICAS);
  if (!copies.success) {
    const [issue] = copies.issues;
    throw new Error(`S3_REPLICAS ${v.getDotPath(issue) ?? ""} ${issue.message}`.replace("  ", " "));
  }
  const { accessKeyId, secretAccessKey } = s3;
  const entries = Object.entries(copies.output).map(
    ([region, copy]) => [region as Region, { ...copy, accessKeyId, secretAccessKey }] as const,
  );
  return { home: home.output, copies: new Map(entries) };
}

/**
 * Reads the bucket from the copy nearest to the continent, if that is nearer than the bucket
 * itself.
 */
export function nearBucket(
  bucket: Bucket,
  replicas: Replicas | null,
  continent: string | undefined,
): Bucket {
  if (replicas === null || continent === undefined) return bucket;
  const { home, copies } = replicas;
  const names = [home, ...copies.keys()];
  const [nearest] = regionsFor({ names, order: {} }, continent);
  const copy = nearest === undefined ? undefined : copies.get(nearest);
  return copy === undefined ? bucket : replicatedBucket(bucket, s3Bucket(copy), nearest ?? "");
}
