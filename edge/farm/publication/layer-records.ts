/**
 * Layer records: the first record of a layer stays in force, and all packages name its blob.
 *
 *   origin a packs key K to digest D1, diffId X       stored
 *   origin b packs key K to digest D2, diffId X       another compressor's bytes: D1 stays
 *   origin c packs key K to digest D3, diffId Y       a contradiction: refused; the log names both
 *
 * A record that no valid key has signed (its origin was revoked, or has another key now), or whose
 * blob is gone, is replaced by the next origin's.
 */
import { findBlob } from "../../store/blobs.ts";
import type { Bucket } from "../../store/bucket.ts";
import { keepBlobs } from "../../store/claims.ts";
import {
  layerRecord,
  readRecord,
  type RecordPlace,
  replaceRecord,
  writeRecord,
} from "../../store/records.ts";
import { canonicalJson } from "../../contract/keys.ts";
import {
  type Codec,
  type Descriptor,
  type LayerRecord,
  type LayerStatement,
  sameContent,
  type SignedLayer,
} from "../../contract/records.ts";
import { note } from "../../log.ts";
import { InvalidResult } from "./check-results.ts";
import { isTrusted, type Trust } from "./trust.ts";

/** A statement of a layer, and the origin that signed it. */
export interface Claim extends SignedLayer {
  readonly origin: string;
}

/** The record of a layer that is in force, null when there is none. */
export async function standingLayer(
  bucket: Bucket,
  trust: Trust,
  key: string,
  codec: Codec,
): Promise<LayerRecord | null> {
  const record = await readRecord(bucket, layerRecord(key, codec));
  return record !== null && (await stands(bucket, trust, record)) ? record : null;
}

const stands = async (bucket: Bucket, trust: Trust, record: LayerRecord): Promise<boolean> =>
  (await isTrusted(record, trust)) && (await isThere(bucket, record));

const isThere = async (bucket: Bucket, { digest, size }: Descriptor): Promise<boolean> =>
  (await findBlob(bucket, digest))?.size === size;

/**
 * Stores what origins state about a layer, naming the first one's blob, once that is in the bucket.
 * Returns the record in force: this one, or an earlier one. Throws InvalidResult when the blob is
 * missing, or the record in force contradicts it.
 */
export async function storeLayer(
  bucket: Bucket,
  trust: Trust,
  claims: readonly [Claim, ...Claim[]],
): Promise<LayerRecord> {
  const [{ statement, origin }] = claims;
  await requireBlob(bucket, statement);
  const text = canonicalJson(statement);
  const record: LayerRecord = {
    ...statement,
    signed: [...new Map(claims.map((claim) => [claim.origin, claim])).values()].map((claim) => ({
      origin: claim.origin,
      signature: claim.signature,
      ...(canonicalJson(claim.statement) === text ? {} : { statement: claim.statement }),
    })),
  };
  const place = layerRecord(statement.key, statement.codec);
  const stored = await writeRecord(bucket, place, record);
  if (stored === record) return record;
  await keepBlobs(bucket, [stored.digest]);
  if (!(await stands(bucket, trust, stored))) return replace(bucket, place, record, stored);
  requireSame(statement, stored, origin);
  return stored;
}

/** Throws InvalidResult unless the bucket has the blob, with its size. */
export async function requireBlob(bucket: Bucket, { digest, size }: Descriptor): Promise<void> {
  const found = await findBlob(bucket, digest);
  if (found === null) throw new InvalidResult(`the blob ${digest} is not in the bucket`);
  if (found.size !== size)
    throw new InvalidResult(
      `the blob ${digest} has ${found.size} bytes in the bucket, not ${size}`,
    );
}

function replace(
  bucket: Bucket,
  place: RecordPlace<LayerRecord>,
  record: LayerRecord,
  earlier: LayerRecord,
): Promise<LayerRecord> {
  const { path } = place;
  note("warn", "layer.replaced", { path, earlier: origins(earlier), now: origins(record) });
  return replaceRecord(bucket, place, record);
}

const origins = ({ signed }: LayerRecord): string[] => signed.map(({ origin }) => origin);

function requireSame(statement: LayerStatement, stored: LayerRecord, origin: string): void {
  if (sameContent(statement, stored)) return;
  const { key, codec } = statement;
  note("error", "layer.contradiction", {
    key,
    codec,
    origins: [origin, ...origins(stored)],
    diffIds: [statement.diffId, stored.diffId],
  });
  throw new InvalidResult(
    `the layer ${key} is ${statement.diffId} by ${origin}, and ${stored.diffId} by ` +
      `${origins(stored).join(" and ")}`,
  );
}
