/**
 * Reads parts of file listings and small parts for composing, through a cache: most images share
 * some packages (a shell, certificates).
 */
import pLimit from "p-limit";
import { type Digest, digestOf } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { ReadRange } from "../contract/listing-reader.ts";
import { DamagedBlob } from "../contract/records.ts";
import { memory } from "./memory.ts";
import { BlobsLost, BUCKET_REQUESTS } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";
import { bytesOf, readObject } from "./read-whole.ts";

/** Size of the cache, bytes: several hundred listings, or the small parts of a dozen packages. */
const REMEMBERED_BYTES = 6 * 2 ** 20;
const remembered = memory<Uint8Array>(REMEMBERED_BYTES, ({ length }) => length);

/** Call it when a blob turns out to be damaged: drops its parts from the cache. */
export function forgetParts(digest: Digest): void {
  for (const key of remembered.keys()) if (key.startsWith(digest)) remembered.delete(key);
}

/**
 * Reads as many parts concurrently as a Worker may have connections. Throws BlobsLost for a blob
 * that is not in the bucket, DamagedBlob for one that was read whole and has another digest.
 */
export function listingReader(bucket: Bucket): ReadRange {
  const limit = pLimit(BUCKET_REQUESTS);
  return async (digest: Digest, range) => {
    const key = `${digest} ${range.offset} ${range.length}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    return limit(async () => {
      const part = await readObject(bucket, blobPath(digest), range, async (object) => ({
        bytes: await bytesOf(object),
        isWhole: object.size === range.length,
      }));
      if (part === null) throw new BlobsLost([digest]);
      const { bytes, isWhole } = part;
      if (isWhole && (await digestOf(bytes)) !== digest)
        throw new DamagedBlob(`the blob ${digest} is damaged`, digest);
      remembered.set(key, bytes);
      return bytes;
    });
  };
}
