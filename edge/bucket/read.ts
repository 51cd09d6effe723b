/** Small objects read whole. */
import type { Bucket } from "./bucket.ts";

/** Largest object that is read into memory, bytes: records and manifests are below 1 MiB, a package record of 2,000 parts about 300 kB. */
export const MAX_WHOLE_BYTES = 8 * 2 ** 20;

export interface WholeObject {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly contentType: string | undefined;
}

/** The object's bytes, or null when it is absent or larger than `max`: nothing that large was put there by Firn. */
export async function readWhole(bucket: Bucket, key: string, max: number = MAX_WHOLE_BYTES): Promise<WholeObject | null> {
  const object = await bucket.get(key);
  if (object === null) return null;
  if (object.size > max) {
    await object.body.cancel();
    return null;
  }
  return { bytes: new Uint8Array(await new Response(object.body).arrayBuffer()), contentType: object.contentType };
}

/** The JSON that stands there, or null when the object is absent. Throws when it is no JSON. */
export async function readJson(bucket: Bucket, key: string): Promise<unknown> {
  const object = await readWhole(bucket, key);
  return object === null ? null : JSON.parse(new TextDecoder().decode(object.bytes));
}
