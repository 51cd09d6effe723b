/**
 * Layer records in the bucket: what a layer key was packed to, the first time, by any origin. They
 * are written once and never replaced, so that another compressor's bytes never become a second
 * blob for the same key.
 *
 *   layers/<key>.json        the gzip layer: {key, digest, size, diffId, compressor, members}
 *   layers/<key>.zstd.json   the same tar with zstd: {digest, size, compressor, members}; apart, since it may be made long after the first is fixed
 */
import * as v from "valibot";
import { canonicalJson, layerPath } from "../../edge/contract/keys.ts";
import { LayerRecordSchema, ZstdRecordSchema } from "../../edge/contract/records.ts";
import type { OriginBucket } from "./bucket.ts";
import type { CodecName } from "./codecs.ts";

const JSON_TYPE = "application/json";

const SCHEMAS = { gzip: LayerRecordSchema, zstd: ZstdRecordSchema } as const;
type Records = { [C in CodecName]: v.InferOutput<(typeof SCHEMAS)[C]> };
export type KnownLayer = Partial<Records>;

const pathOf = (key: string, codec: CodecName): string =>
  layerPath(codec === "gzip" ? key : `${key}.${codec}`);

/** What the bucket knows of a layer, by compressor. */
export async function readLayer(
  bucket: OriginBucket,
  key: string,
  codecs: readonly CodecName[],
  signal: AbortSignal,
): Promise<KnownLayer> {
  const read = await Promise.all(
    codecs.map(async (codec) => [codec, await readOne(bucket, key, codec, signal)] as const),
  );
  const known: KnownLayer = Object.fromEntries(read.filter(([, record]) => record !== undefined));
  if (known.gzip !== undefined && known.gzip.key !== key)
    throw new Error(
      `${layerPath(key)} in the bucket is the record of another layer, ${known.gzip.key}: delete it`,
    );
  return known;
}

/** Writes the record of a blob that is in the bucket; returns the one that counts: this, or an earlier one. */
export async function recordLayer<C extends CodecName>(
  bucket: OriginBucket,
  key: string,
  codec: C,
  record: Records[C],
  signal: AbortSignal,
): Promise<Records[C]> {
  const path = pathOf(key, codec);
  if (await bucket.putIfAbsent(path, canonicalJson(record), JSON_TYPE, signal)) return record;
  const earlier = await readOne(bucket, key, codec, signal);
  if (earlier === undefined)
    throw new Error(
      `${path} was in the bucket a moment ago and is gone: is something else deleting from it?`,
    );
  return earlier;
}

async function readOne<C extends CodecName>(
  bucket: OriginBucket,
  key: string,
  codec: C,
  signal: AbortSignal,
): Promise<Records[C] | undefined> {
  const path = pathOf(key, codec);
  const bytes = await bucket.get(path, signal);
  if (bytes === null) return undefined;
  try {
    return v.parse(SCHEMAS[codec], JSON.parse(new TextDecoder().decode(bytes))) as Records[C];
  } catch (error) {
    throw new Error(
      `${path} in the bucket is no layer record (${(error as Error).message}): delete it, it will be made again`,
      { cause: error },
    );
  }
}
