/**
 * Layer records in the bucket: what a layer key was packed to, the first time, by any origin. The
 * edge writes them, from what origins state of the layers that they make; a record counts here when
 * an origin that the edge names has signed it.
 *
 *   layers/<key>.json        the gzip layer
 *   layers/<key>.zstd.json   the same tar with zstd; apart, since it may be made long after the first is fixed
 */
import * as v from "valibot";
import { layerPath } from "../../edge/contract/keys.ts";
import {
  type Codec,
  type LayerRecord,
  LayerRecordSchema,
  type LayerStatement,
} from "../../edge/contract/records.ts";
import { isVouchedFor } from "../../edge/contract/signatures.ts";
import type { OriginBucket } from "./bucket.ts";

/** What is stated of a layer, by codec. */
export type KnownLayer = Partial<Record<Codec, LayerStatement>>;

/** Public keys of the origins whose records count, by name. */
export type OriginKeys = Readonly<Record<string, string>>;

export interface LookUp {
  readonly codecs: readonly Codec[];
  readonly origins: OriginKeys;
  readonly signal: AbortSignal;
}

/** What the bucket knows of a layer, by codec. */
export async function readLayer(
  bucket: OriginBucket,
  key: string,
  { codecs, origins, signal }: LookUp,
): Promise<KnownLayer> {
  const read = await Promise.all(
    codecs.map(async (codec) => {
      const record = await readOne(bucket, layerPath(key, codec), signal);
      const isGood =
        record?.key === key &&
        record.codec === codec &&
        (await isVouchedFor(record, (name) => origins[name]));
      return [codec, isGood ? statementOf(record) : undefined] as const;
    }),
  );
  return Object.fromEntries(read.filter(([, statement]) => statement !== undefined));
}

function statementOf({ signed: _signed, ...statement }: LayerRecord): LayerStatement {
  return statement;
}

/** Null when there is none, or none that can be used: the edge will put another in its place. */
async function readOne(
  bucket: OriginBucket,
  path: string,
  signal: AbortSignal,
): Promise<LayerRecord | null> {
  const bytes = await bucket.get(path, signal);
  if (bytes === null) return null;
  try {
    const record = v.safeParse(LayerRecordSchema, JSON.parse(new TextDecoder().decode(bytes)));
    return record.success ? record.output : null;
  } catch {
    return null;
  }
}
