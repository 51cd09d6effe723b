/**
 * A bucket with a read replica near the client: an S3 bucket that its provider replicates from one
 * region into others. Blobs never change, so they are read from the replica; from the bucket itself
 * when the replica does not have them yet, or does not answer. Records are read from the bucket
 * itself, since a lagging replica would go on serving records that were withdrawn. All writes go to
 * the bucket itself.
 */
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { memory } from "./memory.ts";

/** Keys of content-addressed objects. */
const IMMUTABLE = /^blobs\//;
/** A replica that failed is not used for this long, ms: each try costs a client a timeout. */
const REST_MS = 60_000;

/**
 * Objects that the replica has damaged, or still has although they were deleted: their names, and
 * until when the bucket itself is asked instead. About 1,000.
 */
const wrong = memory<{ readonly until: number }>(2 ** 19, () => 16);
/** Longer than replication takes, ms. */
const WRONG_MS = 3_600_000;

/** Until when failed replicas are not used, by name: shared by all requests of an isolate. */
const resting = new Map<string, number>();

/** `name`: of the replica, for the log. `now`: ms since 1970. */
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
    const isWrong = now() < (wrong.get(`${name} ${key}`)?.until ?? 0);
    if (!IMMUTABLE.test(key) || isWrong || now() < (resting.get(name) ?? 0)) return from(bucket);
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
    async dropCopy(key) {
      wrong.set(`${name} ${key}`, { until: now() + WRONG_MS });
    },
  };
}
