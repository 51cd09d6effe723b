/**
 * Which blobs are known to be in the bucket. Blobs are never deleted while an image names them, so
 * what was seen once need not be asked again by this isolate.
 */
import pLimit from "p-limit";
import { type Bucket, readWhole } from "./bucket.ts";
import { type Digest, digestOf } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { MANIFEST_TYPES, OCI_INDEX } from "../contract/media-types.ts";
import type { Descriptor } from "../contract/records.ts";
import { note } from "../log.ts";
import { rememberManifest } from "./manifests.ts";
import { memory } from "./memory.ts";

export interface Presence {
  readonly size: number;
  readonly contentType: string | undefined;
}

/** About 10,000 digests. */
const REMEMBERED_BYTES = 3 * 2 ** 20;
const ENTRY_BYTES = 64;
/** Requests to the bucket at once: a Worker may have six connections waiting for an answer. */
export const BUCKET_REQUESTS = 6;

const present = memory<Presence>(REMEMBERED_BYTES, () => ENTRY_BYTES);

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

/** Those of the blobs that the bucket lacks, or holds at another size. */
export async function missingBlobs(
  bucket: Bucket,
  blobs: readonly Descriptor[],
): Promise<Descriptor[]> {
  const limit = pLimit(BUCKET_REQUESTS);
  const found = await Promise.all(blobs.map((blob) => limit(() => findBlob(bucket, blob.digest))));
  return blobs.filter((blob, index) => found[index]?.size !== blob.size);
}

/** A blob that the edge has made itself. */
export interface NewBlob extends Descriptor {
  readonly mediaType: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Writes the blobs of an image, what is named before what names it: layers and configs, then
 * manifests, then the index of manifests. Any of this may run twice, at once.
 */
export async function writeBlobs(bucket: Bucket, blobs: readonly NewBlob[]): Promise<void> {
  for (const turn of [0, 1, 2])
    await Promise.all(
      blobs
        .filter(({ mediaType }) => turnOf(mediaType) === turn)
        .map((blob) => writeBlob(bucket, blob)),
    );
}

const turnOf = (mediaType: string): number =>
  mediaType === OCI_INDEX ? 2 : MANIFEST_TYPES.includes(mediaType) ? 1 : 0;

/** An object that is there already stays when its bytes have the digest; else it is replaced. */
async function writeBlob(bucket: Bucket, blob: NewBlob): Promise<void> {
  const { digest, bytes, size, mediaType: contentType } = blob;
  const path = blobPath(digest);
  if (
    !(await bucket.put(path, bytes, { contentType, ifAbsent: true })) &&
    !(await isIntact(bucket, blob))
  ) {
    note("warn", "blob.replaced", { digest, contentType });
    await bucket.put(path, bytes, { contentType, ifAbsent: false });
  }
  rememberBlob(digest, { size, contentType });
  if (MANIFEST_TYPES.includes(contentType))
    rememberManifest(digest, { bytes, mediaType: contentType });
}

async function isIntact(bucket: Bucket, { digest, size, mediaType }: NewBlob): Promise<boolean> {
  const stored = await readWhole(
    bucket,
    blobPath(digest),
    (object) => object.size === size && object.contentType === mediaType,
  );
  return stored !== null && (await digestOf(stored.bytes)) === digest;
}
