/**
 * The bucket over the Worker's R2 binding: no signing, no request over the network that the runtime
 * does not make itself.
 */
import {
  type Bucket,
  type ByteRange,
  bucketOperation,
  type StoredBody,
  type StoredObject,
} from "./bucket.ts";

/** The bucket of a binding. */
export function r2Bucket(r2: R2Bucket): Bucket {
  return {
    async head(key) {
      const object = await bucketOperation(`HEAD of ${key}`, () => r2.head(key));
      return object && stored(object);
    },
    async get(key, range) {
      const object = await bucketOperation(`GET of ${key}`, () =>
        range ? r2.get(key, { range: rangeOption(range) }) : r2.get(key),
      );
      return object && ({ ...stored(object), body: object.body } satisfies StoredBody);
    },
    async put(key, data, { contentType, ifAbsent }) {
      // A failed condition is not an error of the binding: it answers null, and the existing object
      // stays.
      const written = await bucketOperation(`PUT of ${key}`, () =>
        r2.put(key, data, {
          httpMetadata: { contentType },
          ...(ifAbsent ? { onlyIf: { etagDoesNotMatch: "*" } } : {}),
        }),
      );
      return written !== null;
    },
    async list(prefix, { limit, after }) {
      const page = await bucketOperation(`LIST of ${prefix}`, () =>
        r2.list({ prefix, limit, ...(after === undefined ? {} : { startAfter: after }) }),
      );
      return {
        objects: page.objects.map(({ key, size, uploaded }) => ({
          key,
          size,
          writtenAt: uploaded.getTime(),
        })),
        more: page.truncated,
      };
    },
    async delete(key) {
      await bucketOperation(`DELETE of ${key}`, () => r2.delete(key));
    },
  };
}

const stored = (object: R2Object): StoredObject => ({
  size: object.size,
  contentType: object.httpMetadata?.contentType,
});

const rangeOption = (range: ByteRange): R2Range =>
  "suffix" in range ? { suffix: range.suffix } : { offset: range.offset, length: range.length };
