/**
 * A bucket with the data centre's cache in front: a bucket is in one region, and an isolate that
 * has just started on another continent knows nothing yet. Only small objects that never change are
 * kept there: image and package records, manifests, configs. What is absent is never cached.
 */
import { note } from "../log.ts";
import type { Bucket, StoredBody } from "./bucket.ts";

/** Lets work go on after the answer, so that no client waits for the cache to be filled. */
export type WaitUntil = (work: Promise<unknown>) => void;

/** Keys whose objects are written once; tags/ and plans/ are not among them. */
const IMMUTABLE = /^(images|packages|blobs)\//;
/** Largest object that is kept, bytes: every record and manifest, no layer worth the name. */
const MAX_KEPT_BYTES = 2 ** 20;
/** How long, seconds. */
const KEPT_SECONDS = 86_400;
/** Names of this cache's own: no request from outside has this host. */
const CACHE_HOST = "https://bucket.firn.invalid/";

export function nearbyBucket(
  bucket: Bucket,
  cache: Pick<Cache, "match" | "put" | "delete">,
  waitUntil: WaitUntil,
): Bucket {
  return {
    head: (key) => bucket.head(key),
    list: (prefix, options) => bucket.list(prefix, options),
    async put(key, data, options) {
      const written = await bucket.put(key, data, options);
      if (!options.ifAbsent && IMMUTABLE.test(key)) await cache.delete(CACHE_HOST + key);
      return written;
    },
    async dropCopy(key) {
      await cache.delete(CACHE_HOST + key);
    },
    async get(key, range) {
      if (range || !IMMUTABLE.test(key)) return bucket.get(key, range);
      const name = CACHE_HOST + key;
      const kept = await cache.match(name);
      // Without its length a copy is none: the object would count as empty.
      const length = kept?.headers.get("Content-Length");
      if (kept?.body && length)
        return {
          size: Number(length),
          contentType: kept.headers.get("Content-Type") ?? undefined,
          body: kept.body,
        };
      const found = await bucket.get(key);
      if (found === null || found.size > MAX_KEPT_BYTES) return found;
      const bytes = await new Response(found.body).arrayBuffer();
      waitUntil(keep(cache, name, bytes, found.contentType));
      return {
        size: found.size,
        contentType: found.contentType,
        body: new Response(bytes).body as StoredBody["body"],
      };
    },
  };
}

async function keep(
  cache: Pick<Cache, "put">,
  name: string,
  bytes: ArrayBuffer,
  contentType: string | undefined,
): Promise<void> {
  const headers = {
    "Cache-Control": `public, max-age=${KEPT_SECONDS}`,
    "Content-Length": String(bytes.byteLength),
    ...(contentType ? { "Content-Type": contentType } : {}),
  };
  try {
    await cache.put(name, new Response(bytes, { headers }));
  } catch (error) {
    note("warn", "cache.put.failed", { name, error: String(error) });
  }
}
