/** Small objects read whole. */
import type { Bucket, StoredObject } from "./bucket.ts";

/**
 * Largest record that is read into memory, bytes: records and manifests are below 1 MiB, a package
 * record of 2,000 parts about 300 kB.
 */
export const MAX_WHOLE_BYTES = 8 * 2 ** 20;

export interface WholeObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
}

/**
 * The object's bytes, or null when it is absent or not `wanted`; a layer may have gigabytes, so
 * that is decided before anything is read.
 */
export async function readWhole(
  bucket: Bucket,
  key: string,
  wanted: (object: StoredObject) => boolean = ({ size }) => size <= MAX_WHOLE_BYTES,
): Promise<WholeObject | null> {
  const object = await bucket.get(key);
  if (object === null) return null;
  if (!wanted(object)) {
    await object.body.cancel();
    return null;
  }
  return {
    bytes: new Uint8Array(await new Response(object.body).arrayBuffer()),
    contentType: object.contentType,
  };
}

/** The JSON that stands there, or null when the object is absent. Throws when it is no JSON. */
export async function readJson(bucket: Bucket, key: string): Promise<unknown> {
  const object = await readWhole(bucket, key);
  return object === null ? null : JSON.parse(new TextDecoder().decode(object.bytes));
}
