/**
 * Which blobs are known to be in the bucket. Blobs are not deleted while an image names them, so
 * what was seen once need not be asked again by this isolate for an hour; what got lost all the same
 * is noticed by whoever reads it.
 */
import { createHash } from "node:crypto";
import pLimit from "p-limit";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { Descriptor } from "../contract/records.ts";
import { memory } from "./memory.ts";

export interface Presence {
  readonly size: number;
  readonly contentType: string | undefined;
}

/** Blobs that records name, and the bucket lacks. */
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
/** Requests to the bucket at once: a Worker may have six connections waiting for an answer. */
export const BUCKET_REQUESTS = 6;

/**
 * How long a blob is taken to be there, ms: whoever names it in a record claims it first (claims.ts),
 * and is told of what was deleted in this time.
 */
export const PRESENT_MS = 3_600_000;

const present = memory<Presence>(REMEMBERED_BYTES, () => ENTRY_BYTES, PRESENT_MS);

/**
 * Size and content type of a blob, null when the bucket lacks it. Absence is not remembered: an
 * origin may be uploading it.
 */
export async function findBlob(bucket: Bucket, digest: Digest): Promise<Presence | null> {
  const remembered = present.get(digest);
  if (remembered !== undefined) return remembered;
  const found = await bucket.head(blobPath(digest));
  if (found !== null) rememberBlob(digest, { size: found.size, contentType: found.contentType });
  return found;
}

/** To be called with what was just read or written. */
export function rememberBlob(digest: Digest, { size, contentType }: Presence): void {
  present.set(digest, { size, contentType });
}

/** To be called when a blob that was remembered turned out to be gone. */
export function forgetBlob(digest: Digest): void {
  present.delete(digest);
}

/**
 * Deletes what the bucket holds under this digest, if that is something else: nobody could store
 * the blob in its place.
 */
export async function deleteDamaged(bucket: Bucket, digest: Digest): Promise<void> {
  const path = blobPath(digest);
  forgetBlob(digest);
  await bucket.dropCopy?.(path);
  const object = await bucket.get(path);
  if (object === null) return;
  const hash = createHash("sha256");
  for await (const chunk of object.body) hash.update(chunk);
  if (`sha256:${hash.digest("hex")}` === digest) return;
  note("error", "blob.damaged", { digest, size: object.size });
  await bucket.delete(path);
}

/** missingBlobs by what the bucket says now, whatever is remembered. */
export function missingNow(bucket: Bucket, blobs: readonly Descriptor[]): Promise<Descriptor[]> {
  for (const { digest } of blobs) forgetBlob(digest);
  return missingBlobs(bucket, blobs);
}

/** Those of the blobs that the bucket lacks, or holds at another size. */
export async function missingBlobs(
  bucket: Bucket,
  blobs: readonly Descriptor[],
): Promise<Descriptor[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const found = await Promise.all(blobs.map((blob) => limit(() => findBlob(bucket, blob.digest))));
  return blobs.filter((blob, index) => found[index]?.size !== blob.size);
}
