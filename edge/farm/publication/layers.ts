/**
 * The layers of a job's packages: finds those that were made before, and stores those that were
 * made now.
 */
import type { LimitFunction } from "p-limit";
import { layerPath } from "../../contract/keys.ts";
import { type Codec, CODECS, type LayerRecord, type Part } from "../../contract/records.ts";
import type { Bucket } from "../../store/bucket.ts";
import { keepBlobs } from "../../store/claims.ts";
import { layerRecord, readRecord } from "../../store/records.ts";
import type { Candidate } from "./agreement.ts";
import { type Claims, InvalidResult } from "./check-results.ts";
import { type Claim, standingLayer, storeLayer } from "./layer-records.ts";
import type { Trust } from "./trust.ts";

export interface LayerParts {
  readonly bucket: Bucket;
  readonly trust: Trust;
  /** The layers that were made now. */
  readonly claims: Claims;
  /** How many owners' origins must make the same. */
  readonly agree: number;
  /** Whether layers are made with zstd as well. */
  readonly zstd: () => Promise<boolean>;
  readonly limit: LimitFunction;
}

/** A layer in one compression. */
interface WantedLayer {
  readonly key: string;
  readonly codec: Codec;
  /** Of its record. */
  readonly path: string;
}

/**
 * The records of the parts' layers that were not made now, by path. Throws InvalidResult when a
 * part has none: a package is not published without all its layers. (A zstd layer may be missing.)
 */
export async function layersMadeBefore(
  parts: readonly Part[],
  { bucket, trust, claims, zstd, limit }: LayerParts,
): Promise<Map<string, LayerRecord>> {
  const isZstd = await zstd();
  const wanted = parts
    .flatMap(({ key, small }) =>
      CODECS.filter((codec) => codec === "gzip" || (isZstd && small === undefined)).map(
        (codec): WantedLayer => ({ key, codec, path: layerPath(key, codec) }),
      ),
    )
    .filter(({ path }) => !claims.has(path));
  await keepFromCollection(bucket, wanted, limit);
  const known = new Map<string, LayerRecord>();
  const look = async ({ key, codec, path }: WantedLayer): Promise<void> => {
    const record = await standingLayer(bucket, trust, key, codec);
    if (record !== null) known.set(path, record);
    else if (codec === "gzip")
      throw new InvalidResult(`the layer ${key} was not made, and there is no record of it`);
  };
  await Promise.all(wanted.map((layer) => limit(() => look(layer))));
  return known;
}

/** Keeps the blobs of these layers from being collected as garbage. */
async function keepFromCollection(
  bucket: Bucket,
  layers: readonly WantedLayer[],
  limit: LimitFunction,
): Promise<void> {
  const records = await Promise.all(
    layers.map(({ key, codec }) => limit(() => readRecord(bucket, layerRecord(key, codec)))),
  );
  await keepBlobs(
    bucket,
    records.flatMap((record) => record?.digest ?? []),
  );
}

/** Stores the layers on which origins agree. Returns the records that are in force, by path. */
export async function storeLayers(
  agreed: readonly Candidate[],
  { bucket, trust, agree, limit }: LayerParts,
): Promise<Map<string, LayerRecord>> {
  // Candidates that waited for another origin's result: their blobs may have been condemned since.
  if (agree > 1)
    await keepBlobs(
      bucket,
      agreed.flatMap(({ layers }) => layers.map(({ statement }) => statement.digest)),
    );
  const claims = new Map<string, [Claim, ...Claim[]]>();
  for (const { origin, layers } of agreed)
    for (const layer of layers) {
      const path = layerPath(layer.statement.key, layer.statement.codec);
      const others = claims.get(path);
      if (others === undefined) claims.set(path, [{ ...layer, origin }]);
      else others.push({ ...layer, origin });
    }
  const stored = [...claims].map(([path, all]) =>
    limit(async () => [path, await storeLayer(bucket, trust, all)] as const),
  );
  return new Map(await Promise.all(stored));
}
