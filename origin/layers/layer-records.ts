/**
 * Layer records in the bucket: what a layer key was packed to, the first time, by any origin. They
 * are written once and never replaced, so that another zlib's bytes never become a second blob for
 * the same key.
 *
 *   layers/<key>.json        the gzip layer: {key, digest, size, diffId}
 *   layers/<key>.zstd.json   the same tar with zstd: {digest, size}; apart, since it may be made long after the first is fixed
 */
import * as v from "valibot";
import { canonicalJson, layerPath } from "../../edge/contract/keys.ts";
import {
  type Descriptor,
  DescriptorSchema,
  type Layer,
  LayerRecordSchema,
} from "../../edge/contract/records.ts";
import type { OriginBucket } from "./bucket.ts";

const JSON_TYPE = "application/json";
const zstdPath = (key: string): string => layerPath(`${key}.zstd`);

export interface KnownLayer {
  readonly gzip: Layer | undefined;
  readonly zstd: Descriptor | undefined;
}

export async function readLayer(
  bucket: OriginBucket,
  key: string,
  zstd: boolean,
  signal: AbortSignal,
): Promise<KnownLayer> {
  const [gzip, frames] = await Promise.all([
    read(bucket, layerPath(key), LayerRecordSchema, signal),
    zstd ? read(bucket, zstdPath(key), DescriptorSchema, signal) : undefined,
  ]);
  if (gzip !== undefined && gzip.key !== key)
    throw new Error(
      `${layerPath(key)} in the bucket is the record of another layer, ${gzip.key}: delete it`,
    );
  return { gzip, zstd: frames };
}

/**
 * Writes the record of a gzip layer, whose blob is in the bucket; returns the one that counts:
 * this, or an earlier one.
 */
export async function recordLayer(
  bucket: OriginBucket,
  layer: Layer,
  signal: AbortSignal,
): Promise<Layer> {
  return (await fix(bucket, layerPath(layer.key), layer, LayerRecordSchema, signal)) as Layer;
}

/** The same for a layer's zstd blob. */
export async function recordZstd(
  bucket: OriginBucket,
  key: string,
  blob: Descriptor,
  signal: AbortSignal,
): Promise<Descriptor> {
  return (await fix(bucket, zstdPath(key), blob, DescriptorSchema, signal)) as Descriptor;
}

async function fix<S extends v.GenericSchema>(
  bucket: OriginBucket,
  path: string,
  value: v.InferOutput<S>,
  schema: S,
  signal: AbortSignal,
): Promise<v.InferOutput<S>> {
  if (await bucket.putIfAbsent(path, canonicalJson(value), JSON_TYPE, signal)) return value;
  const earlier = await read(bucket, path, schema, signal);
  if (earlier === undefined)
    throw new Error(
      `${path} was in the bucket a moment ago and is gone: is something else deleting from it?`,
    );
  return earlier;
}

async function read<S extends v.GenericSchema>(
  bucket: OriginBucket,
  path: string,
  schema: S,
  signal: AbortSignal,
): Promise<v.InferOutput<S> | undefined> {
  const bytes = await bucket.get(path, signal);
  if (bytes === null) return undefined;
  try {
    return v.parse(schema, JSON.parse(new TextDecoder().decode(bytes)));
  } catch (error) {
    throw new Error(
      `${path} in the bucket is no layer record (${(error as Error).message}): delete it, it will be made again`,
      { cause: error },
    );
  }
}
