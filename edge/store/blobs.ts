/**
 * Caches which blobs are in the bucket. A blob is not deleted while an image names it, so a
 * positive result is reused for a few minutes and then refreshed in the background. A blob that is
 * lost nevertheless is noticed when it is read, or when its cache entry expires.
 */
import pLimit from "p-limit";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { hashObject } from "./read-whole.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { Descriptor } from "../contract/records.ts";
import { type Asked, FreshMemory } from "./fresh.ts";

export interface Presence {
  readonly size: number;
  readonly contentType: string | undefined;
}

/** Blobs that records refer to and that are missing from the bucket. */
export class BlobsLost extends Error {
  override readonly name = "BlobsLost";
  readonly blobs: readonly Digest[];

  constructor(blobs: readonly Digest[]) {
    super(`blobs that records name are not in the bucket: ${blobs.join(", ")}`);
    this.blobs = blobs;
  }
}

/** About 10,000 digests. */
const REMEMBERED_BYTES = 3 * 2 ** 20;
const ENTRY_BYTES = 64;
/**
 * Concurrent requests to the bucket: a Worker may have six connections that wait for a response.
 */
export const BUCKET_REQUESTS = 6;

/**
 * How long a blob counts as present after it was seen, ms: as long as a signed URL for it is valid
 * (redirect.ts). Code that writes a record claims the record's blobs first (claims.ts), and learns
 * from that which of them were deleted in this time.
 */
export const PRESENT_MS = 300_000;

const present = new FreshMemory<Presence>(REMEMBERED_BYTES, () => ENTRY_BYTES, {
  kept: PRESENT_MS,
  refresh: PRESENT_MS / 2,
});

/**
 * Size and content type of a blob, null when the bucket lacks it. Absence is not remembered: an
 * origin may be uploading it.
 */
export async function findBlob(bucket: Bucket, digest: Digest): Promise<Presence | null> {
  const look = async (): Promise<Asked<Presence> | null> => {
    const askedAt = Date.now();
    const found = await bucket.head(blobPath(digest));
    return found && { value: { size: found.size, contentType: found.contentType }, askedAt };
  };
  const remembered = present.get(digest, bucket.background, look);
  return (remembered ?? (await present.read(digest, look)))?.value ?? null;
}

/** Call it with a blob that was just read or written. */
export function rememberBlob(digest: Digest, { size, contentType }: Presence): void {
  present.set(digest, { value: { size, contentType }, askedAt: Date.now() });
}

/** Call it when a cached blob turns out to be missing. */
export function forgetBlob(digest: Digest): void {
  present.delete(digest);
}

/**
 * Deletes the object at this digest's key when its content has another digest. While it is there,
 * the right content could not be stored in its place.
 */
export async function deleteDamaged(bucket: Bucket, digest: Digest): Promise<void> {
  const path = blobPath(digest);
  forgetBlob(digest);
  await bucket.dropCopy?.(path);
  const found = await hashObject(bucket, path);
  if (found === null || found.digest === digest) return;
  note("error", "blob.damaged", { digest, size: found.size });
  await bucket.delete(path);
}

/**
 * The blobs that are not in the bucket, or are there with another size. The bucket itself is asked:
 * nothing that is remembered counts, and no copy.
 */
export async function missingNow(
  bucket: Bucket,
  blobs: readonly Descriptor[],
): Promise<Descriptor[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const look = async ({ digest }: Descriptor): Promise<Presence | null> => {
    await bucket.dropCopy?.(blobPath(digest));
    forgetBlob(digest);
    return findBlob(bucket, digest);
  };
  const found = await Promise.all(blobs.map((blob) => limit(() => look(blob))));
  return blobs.filter((blob, index) => found[index]?.size !== blob.size);
}
