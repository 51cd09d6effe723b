/**
 * Claims: garbage collection (edge/housekeeping) deletes only what has been condemned for a while, and
 * a claim takes that back. Whoever is about to write a record claims the objects that it names, and
 * then looks whether they are there:
 *
 *   compose an image    claims its packages' records and their blobs, looks for those that were
 *                       deleted lately, then writes the image record
 *   publish a package   claims its blobs, then looks for them, then writes the package record
 *   grant an upload     claims the blob, then looks: what is "present" stays until the job is done
 *
 * What was claimed is not deleted before it is found unused and has been condemned for a while once
 * more; by then the new record is in the bucket. So nothing that is deleted is named by a record.
 */
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { note } from "../log.ts";
import { forgetBlob } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";

/**
 * Claims objects by their keys, and returns those that were deleted lately: what is remembered of
 * them is to be forgotten. Null when nobody answers; then nothing is deleted either.
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

/** Claims blobs; what this isolate remembers of those that were deleted is forgotten. */
export async function keepBlobs(bucket: Bucket, digests: readonly Digest[]): Promise<void> {
  const gone = new Set(await claim(bucket, digests.map(blobPath)));
  for (const digest of digests) if (gone.has(blobPath(digest))) forgetBlob(digest);
}
