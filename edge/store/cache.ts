/**
 * The Cache API in front of a bucket, for isolates that have just started far from the bucket's
 * region. It holds small objects that never change: image and package records, manifests, configs.
 * Absence is not cached. A record that was withdrawn is served no longer than from memory
 * (fresh.ts).
 */
import { note } from "../log.ts";
import type { Bucket, StoredBody, WaitUntil } from "./bucket.ts";
import { bytesOf, readObject } from "./read-whole.ts";
import { KEPT_MS, REFRESH_MS } from "./fresh.ts";
import { memory } from "./memory.ts";

/** Keys whose objects are written once; tags/ and plans/ are not among them. */
const IMMUTABLE = /^(images|packages|blobs)\//;
/** Largest object that is kept, bytes: every record and manifest, but hardly any layer. */
const MAX_KEPT_BYTES = 2 ** 20;
/** When the bucket was asked for a copy, milliseconds since 1970. */
const ASKED_AT = "X-Firn-Asked-At";
/** A copy is read again once in this time, milliseconds: the runtime may drop the work. */
const REFRESHING_MS = 5_000;
/** Copies that are being read again, by key: about 500. */
const refreshing = memory<object>(2 ** 18, () => 0, REFRESHING_MS);
/** Names of this cache's own: no request from outside has this host. */
const CACHE_HOST = "https://bucket.firn.invalid/";

/** What is used of the Cache API. */
export interface Copies {
  match(name: string): Promise<Response | undefined>;
  put(name: string, copy: Response): Promise<void>;
  delete(name: string): Promise<boolean>;
}

/** The bucket with the cache in front of it. */
export function nearbyBucket(bucket: Bucket, cache: Copies, background: WaitUntil): Bucket {
  /** Reads the object and keeps a copy. */
  const fetched = async (key: string): Promise<StoredBody | null> => {
    const askedAt = Date.now();
    return readObject(bucket, key, undefined, async (found): Promise<StoredBody> => {
      if (found.size > MAX_KEPT_BYTES) return found;
      const bytes = await bytesOf(found);
      const { size, contentType } = found;
      background(keep(cache, key, bytes, { contentType, askedAt }));
      return { size, contentType, askedAt, body: new Response(bytes).body as StoredBody["body"] };
    });
  };
  /** Reads it behind the answer, one at a time; a copy of what is gone is dropped. */
  const refresh = (key: string): void => {
    if (refreshing.has(key)) return;
    refreshing.set(key, {});
    const work = async (): Promise<void> => {
      const found = await fetched(key);
      if (found === null) await cache.delete(CACHE_HOST + key);
      else await found.body.cancel();
    };
    background(work().catch((error: unknown) => lost(key, error)));
  };

  return {
    ...bucket,
    background,
    async put(key, data, options) {
      const written = await bucket.put(key, data, options);
      if (!options.ifAbsent && IMMUTABLE.test(key)) await cache.delete(CACHE_HOST + key);
      return written;
    },
    async delete(key) {
      await bucket.delete(key);
      await cache.delete(CACHE_HOST + key);
    },
    async dropCopy(key) {
      await bucket.dropCopy?.(key);
      await cache.delete(CACHE_HOST + key);
    },
    async get(key, range) {
      if (range || !IMMUTABLE.test(key)) return bucket.get(key, range);
      const copy = asBody(await cache.match(CACHE_HOST + key));
      if (copy === undefined) return fetched(key);
      const age = Date.now() - copy.askedAt;
      if (age >= KEPT_MS) {
        // The response body that is not used must be cancelled.
        copy.body.cancel().catch(() => undefined);
        return fetched(key);
      }
      if (age >= REFRESH_MS) refresh(key);
      return copy;
    },
  };
}

/** A copy with its metadata; without its length the object would count as empty. */
function asBody(
  copy: Response | undefined,
): (StoredBody & { readonly askedAt: number }) | undefined {
  const length = copy?.headers.get("Content-Length");
  const askedAt = copy?.headers.get(ASKED_AT);
  if (!copy?.body || !length || !askedAt) return undefined;
  return {
    size: Number(length),
    contentType: copy.headers.get("Content-Type") ?? undefined,
    askedAt: Number(askedAt),
    body: copy.body,
  };
}

async function keep(
  cache: Copies,
  key: string,
  bytes: Uint8Array<ArrayBuffer>,
  { contentType, askedAt }: { readonly contentType: string | undefined; readonly askedAt: number },
): Promise<void> {
  const headers = {
    "Cache-Control": `public, max-age=${KEPT_MS / 1_000}`,
    "Content-Length": String(bytes.byteLength),
    [ASKED_AT]: String(askedAt),
    ...(contentType ? { "Content-Type": contentType } : {}),
  };
  await cache
    .put(CACHE_HOST + key, new Response(bytes, { headers }))
    .catch((error: unknown) => lost(key, error));
}

const lost = (key: string, error: unknown): void =>
  note("warn", "cache.put.failed", { key, error: String(error) });
