/**
 * Which blobs are known to be in the bucket. Blobs are not deleted while an image names them, so
 * what was seen is not asked again by this isolate for a few minutes, and then behind an answer. What
 * got lost all the same is noticed by whoever reads it, or when its time is over.
 */
import { createHash } from "node:crypto";
import pLimit from "p-limit";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { Descriptor } from "../contract/records.ts";
import { type Asked, FreshMemory } from "./fresh.ts";

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
 * How long a blob is taken to be there, ms: as long as a signed URL leads to it (redirect.ts). Whoever
 * names it in a record claims it first (claims.ts), and is told of what was deleted in this time.
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

/** To be called with what was just read or written. */
export function rememberBlob(digest: Digest, { size, contentType }: Presence): void {
  present.set(digest, { value: { size, contentType }, askedAt: Date.now() });
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
