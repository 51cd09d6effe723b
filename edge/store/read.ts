/** Small objects read whole. */
import type { Bucket, StoredObject } from "./bucket.ts";

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
  wanted: (object: StoredObject) => boolean,
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
