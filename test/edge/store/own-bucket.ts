/** A bucket over the S3 protocol, of a file's own. */
import { after, before } from "node:test";
import type { Bucket } from "../../../edge/store/bucket.ts";
import { s3Bucket } from "../../../edge/store/s3.ts";
import { type LocalBucket, startBucket } from "../../origin/layers/local-bucket.ts";

export interface OwnBucket {
  /** There from `before` until `after`. */
  readonly bucket: Bucket;
}

/** Starts a bucket before the tests of this file, or describe block, and stops it after them. */
export function ownBucket(): OwnBucket {
  let local: LocalBucket | undefined;
  const own: { bucket: Bucket } = { bucket: undefined as unknown as Bucket };
  before(async () => {
    local = await startBucket();
    own.bucket = s3Bucket(local.access);
  });
  after(() => local?.stop());
  return own;
}
