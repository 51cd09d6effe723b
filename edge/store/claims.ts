/**
 * Claims protect objects from garbage collection (edge/housekeeping). Collection deletes an object
 * only when it has been condemned for a grace period, and a claim ends the condemnation. Code that
 * writes a record claims the objects that the record refers to, and then checks that they exist:
 *
 *   compose an image    claims its packages' records and their blobs, looks for those that were
 *                       deleted lately, then writes the image record
 *   publish a package   claims its blobs, then looks for them, then writes the package record
 *   grant an upload     claims the blob, then looks: what is "present" stays until the job is done
 *
 * A claimed object can only be deleted after it was found unused and condemned again, for a whole
 * grace period. By then the new record is in the bucket and refers to it. So collection never
 * deletes an object that a record refers to.
 */
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { note } from "../log.ts";
import { forgetBlob } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";

/**
 * Claims objects by their keys, and returns those that were deleted lately, whose cache entries are
 * wrong. Null when the Housekeeping object does not answer; then it deletes nothing either.
 */
export async function claim(
  bucket: Bucket,
  keys: readonly string[],
): Promise<readonly string[] | null> {
  if (bucket.claim === undefined || keys.length === 0) return [];
  try {
    return await bucket.claim([...new Set(keys)]);
  } catch (error) {
    note("warn", "claim.unanswered", { keys: keys.length, error: String(error) });
    return null;
  }
}

/** Claims blobs, and drops those that were deleted lately from this isolate's cache. */
export async function keepBlobs(bucket: Bucket, digests: readonly Digest[]): Promise<void> {
  const gone = new Set(await claim(bucket, digests.map(blobPath)));
  for (const digest of digests) if (gone.has(blobPath(digest))) forgetBlob(digest);
}
