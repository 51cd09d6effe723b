/**
 * Parts of file listings, for composing: remembered, since the packages that most images have (a
 * shell, certificates) are read for each of them.
 */
import pLimit from "p-limit";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import type { ReadRange } from "../contract/listing-reader.ts";
import { memory } from "./memory.ts";
import { BUCKET_REQUESTS } from "./blobs.ts";
import type { Bucket } from "./bucket.ts";

/**
 * Bytes of listings that are remembered: the ends of several hundred, most of which are the whole
 * listing.
 */
const REMEMBERED_BYTES = 6 * 2 ** 20;
const remembered = memory<Uint8Array>(REMEMBERED_BYTES, ({ length }) => length);

/**
 * Reads as many at once as a Worker may have connections. A listing that a record names and the
 * bucket lacks is an Error.
 */
export function listingReader(bucket: Bucket): ReadRange {
  const limit = pLimit(BUCKET_REQUESTS);
  return async (digest: Digest, range) => {
    const key = `${digest} ${range.offset} ${range.length}`;
    const known = remembered.get(key);
    if (known !== undefined) return known;
    return limit(async () => {
      const part = await bucket.get(blobPath(digest), range);
      if (part === null) throw new Error(`the listing ${digest} is not in the bucket`);
      const bytes = new Uint8Array(await new Response(part.body).arrayBuffer());
      remembered.set(key, bytes);
      return bytes;
    });
  };
}
