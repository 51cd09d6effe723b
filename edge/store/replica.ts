/**
 * A bucket that is read from a copy near the client: an S3 bucket of one region, replicated into
 * others by its provider. Blobs, which never change, are read from the copy; one that is not there
 * (yet), and every one while the copy does not answer, comes from the bucket itself. So a copy may
 * lag, and may be lost. Records are read, and everything is written, at the bucket itself: a record
 * may be withdrawn, and a copy that lags, or keeps what was deleted, would go on answering it.
 */
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";

/** Keys whose objects are named by their content. */
const IMMUTABLE = /^blobs\//;
/** A copy that failed is left alone for this long, ms: each try costs a client its time limit. */
const REST_MS = 60_000;

/** `restUntil` of copies that failed, by name: shared by all requests of an isolate. */
const resting = new Map<string, number>();

/** `name`: of the copy, for the log. `now`: ms since 1970. */
export function replicatedBucket(
  bucket: Bucket,
  copy: Pick<Bucket, "head" | "get">,
  name: string,
  now: () => number = Date.now,
): Bucket {
  const read = async <T>(
    key: string,
    from: (bucket: Pick<Bucket, "head" | "get">) => Promise<T | null>,
  ): Promise<T | null> => {
    if (!IMMUTABLE.test(key) || now() < (resting.get(name) ?? 0)) return from(bucket);
    try {
      const found = await from(copy);
      if (found !== null) return found;
    } catch (error) {
      resting.set(name, now() + REST_MS);
      note("warn", "bucket.replica", { replica: name, error: String(error) });
    }
    return from(bucket);
  };
  return {
    ...bucket,
    head: (key) => read(key, (from) => from.head(key)),
    get: (key, range) => read(key, (from) => from.get(key, range)),
  };
}
