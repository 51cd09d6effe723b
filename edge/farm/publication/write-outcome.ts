/** Writes what origins made as records: the last step of publication. */
import { note } from "../../log.ts";
import { missingNow } from "../../store/blobs.ts";
import type { Bucket } from "../../store/bucket.ts";
import { readWhole } from "../../store/read-whole.ts";
import { digestOf } from "../../contract/digest.ts";
import { blobPath, layerPath } from "../../contract/keys.ts";
import type { Failure, Item, PackageItem, Result } from "../../contract/items.ts";
import {
  blobsOf,
  type Layer,
  type LayerRecord,
  type LevelRecord,
  MAX_LISTING_TEXT,
  MAX_VOUCHES,
  type PackageRecord,
  type PackageStatement,
  type PackageVouch,
  type Part,
  RECORD_FORMAT,
  type Vouch,
} from "../../contract/records.ts";
import {
  indexRecord,
  levelRecord,
  packageRecord,
  type RecordPlace,
  replaceRecord,
  type ResolvedTag,
  writeRecord,
} from "../../store/records.ts";
import { type Candidate } from "./agreement.ts";
import type { Outcome } from "../builds/answer.ts";
import { checkLength, InvalidResult } from "./check-results.ts";

/** Where outcomes are written. */
export interface OutcomeParts {
  readonly bucket: Bucket;
  /**
   * Sets a tag to a revision; returns what it means now, since it may move later (roll-forward.ts).
   */
  readonly setTag: (tag: ResolvedTag) => Promise<string>;
}

/** An item and its result; for a package also the parts at the level that was made. */
export interface Pair {
  readonly item: Item;
  readonly result: Result;
  readonly parts: readonly Part[];
}

/** A layer in force, and the origins that signed it. */
interface Standing {
  readonly layer: Layer;
  readonly origins: readonly string[];
}

/**
 * Writes what a result says, all of whose blobs are in the bucket, and returns what is in force
 * now. `standing`: layer records by path; `agreed`: the origins that made the same.
 */
export async function writeOutcome(
  { item, result, parts }: Pair,
  standing: ReadonlyMap<string, LayerRecord>,
  agreed: readonly Candidate[],
  { bucket, setTag }: OutcomeParts,
): Promise<Outcome> {
  const layers = parts.map(({ key }) => layerOf(standing, key));
  const made: Made = {
    layers: layers.map(({ layer }) => layer),
    origins: makersOf(agreed, layers),
  };
  switch (result.kind) {
    case "failure":
      return { kind: "failure", failure: await withoutLostLog(bucket, result.failure) };
    case "revision": {
      if (item.kind !== "tag") return result;
      const { packageSet, tag } = item;
      const [{ origin } = { origin: "" }] = agreed;
      const said = { packageSet, tag, revision: result.revision, origin };
      return { kind: "revision", revision: await setTag(said) };
    }
    case "index": {
      const { statement } = result;
      const place = indexRecord(statement, statement.path);
      const record = { ...statement, signed: vouches(agreed) };
      return { kind: "index", record: await writeRecord(bucket, place, record) };
    }
    case "package": {
      const { statement } = result;
      const listing = await shortListing(bucket, statement);
      const signed = packageVouches(statement, agreed);
      const record: PackageRecord = { ...statement, ...listing, ...made, signed };
      checkLength(item as PackageItem, record);
      const place = packageRecord(statement, statement.name);
      return { kind: "package", record: await settle(bucket, place, record) };
    }
    case "level": {
      const { level } = result;
      const record: LevelRecord = { format: RECORD_FORMAT, level, ...made };
      checkLength(item as PackageItem, record);
      const { name, ...scope } = item as PackageItem;
      const place = levelRecord(scope, name, level);
      return { kind: "level", record: await settle(bucket, place, record) };
    }
  }
}

/** What the records of a package and of a level have in common. */
type Made = Pick<LevelRecord, "layers" | "origins">;

/** The origins that made the same, and those that signed its layers. */
function makersOf(agreed: readonly Candidate[], layers: readonly Standing[]): string[] {
  const makers = agreed.map(({ origin }) => origin);
  return [...new Set([...makers, ...layers.flatMap(({ origins }) => origins)])].sort();
}

/** The package's listing, if short. One that is not text is reported when it is composed. */
async function shortListing(
  bucket: Bucket,
  { listing: { digest, size } }: PackageStatement,
): Promise<Pick<PackageRecord, "listingText">> {
  if (size > MAX_LISTING_TEXT) return {};
  const blob = await readWhole(bucket, blobPath(digest), (found) => found.size === size);
  if (blob === null || (await digestOf(blob.bytes)) !== digest) return {};
  try {
    return { listingText: utf8.decode(blob.bytes) };
  } catch {
    return {};
  }
}
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Drops a log that is not in the bucket: the failure is worth reporting anyway. */
async function withoutLostLog(bucket: Bucket, failure: Failure): Promise<Failure> {
  const { logBlob, ...rest } = failure;
  if (logBlob === undefined) return rest;
  const found = await bucket.head(blobPath(logBlob.digest));
  return found?.size === logBlob.size ? failure : rest;
}

/**
 * Writes a record, and returns the one in force: an earlier one, unless the bucket lacks a blob
 * that it names. Of two at once the later one wins, and both are complete.
 */
async function settle<T extends PackageRecord | LevelRecord>(
  bucket: Bucket,
  place: RecordPlace<T>,
  record: T,
): Promise<T> {
  const standing = await writeRecord(bucket, place, record);
  if (standing === record) return record;
  const lost = await missingNow(bucket, blobsOf(standing));
  if (lost.length === 0) return standing;
  note("warn", "record.replaced", { path: place.path, lost: lost.map(({ digest }) => digest) });
  return replaceRecord(bucket, place, record);
}

/** A layer as package records contain it. */
function layerOf(records: ReadonlyMap<string, LayerRecord>, key: string): Standing {
  const gzip = records.get(layerPath(key));
  const zstd = records.get(layerPath(key, "zstd"));
  if (gzip === undefined) throw new TypeError(`the layer ${key} was not settled`);
  if (zstd !== undefined && zstd.diffId !== gzip.diffId)
    throw new InvalidResult(`the layer ${key} is another one with zstd`);
  const { digest, size, diffId, trees } = gzip;
  const layer: Layer = {
    key,
    digest,
    size,
    diffId,
    ...(zstd === undefined ? {} : { zstd: { digest: zstd.digest, size: zstd.size } }),
    ...(trees === undefined ? {} : { trees }),
  };
  const signed = [...gzip.signed, ...(zstd?.signed ?? [])];
  return { layer, origins: signed.map(({ origin }) => origin) };
}

/** The signatures of those that agree. */
const vouches = (agreed: readonly Candidate[]): Vouch[] =>
  agreed
    .flatMap(({ origin, result }) =>
      "signature" in result ? { origin, signature: result.signature } : [],
    )
    .slice(0, MAX_VOUCHES);

/** The same, each with the closure that it signed if that is not the statement's. */
const packageVouches = (
  { closure }: PackageStatement,
  agreed: readonly Candidate[],
): PackageVouch[] =>
  agreed
    .flatMap(({ origin, result }) => {
      if (result.kind !== "package") return [];
      const { signature, statement } = result;
      const own = statement.closure.digest === closure.digest ? {} : { closure: statement.closure };
      return { origin, signature, ...own };
    })
    .slice(0, MAX_VOUCHES);
