/**
 * From an origin's results to records in the bucket: nothing is written, and nobody is told, before
 * every blob that it names is there, and nothing without the origin's signature.
 */
import pLimit, { type LimitFunction } from "p-limit";
import type { Bucket } from "../store/bucket.ts";
import { blobPath, layerPath } from "../contract/keys.ts";
import type { Failure, Item, PackageItem, Result } from "../contract/messages.ts";
import {
  CODECS,
  type Descriptor,
  type Layer,
  type LayerRecord,
  type PackageRecord,
  type PackageStatement,
  type Part,
  RECORD_FORMAT,
} from "../contract/records.ts";
import {
  indexRecord,
  levelRecord,
  packageRecord,
  readRecord,
  writeRecord,
  writeTag,
} from "../store/records.ts";
import type { Outcome } from "./answer.ts";
import {
  checkClaims,
  checkLength,
  checkResults,
  checkSignatures,
  type Claims,
  claimsOf,
  InvalidResult,
  partsOf,
} from "./check.ts";
import { BUCKET_CONCURRENCY } from "./limits.ts";
import { type KeyOf, requireBlob, standingLayer, storeLayer } from "./standing-layers.ts";

export interface PublicationParts {
  readonly bucket: Bucket;
  readonly keyOf: KeyOf;
  /** Whether layers are made with zstd as well. */
  readonly zstd: () => Promise<boolean>;
}

/** An item and its result; of a package's, the parts at the level that was made. */
interface Pair {
  readonly item: Item;
  readonly result: Result;
  readonly parts: readonly Part[];
}

/** A layer that stands, and whose word that is. */
interface Standing {
  readonly layer: Layer;
  readonly origins: readonly string[];
}

/** What the steps of one `store` share. */
interface Work {
  readonly origin: string;
  readonly claims: Claims;
  readonly limit: LimitFunction;
}

export class Publication {
  readonly #with: PublicationParts;
  constructor(parts: PublicationParts) {
    this.#with = parts;
  }

  /**
   * Checks the results of a job's items against these, the origin's signatures and the bucket,
   * writes what they say, and returns what the bucket holds now: what everybody else sees too.
   * Throws InvalidResult when a result cannot be trusted (no package's record has been written
   * then), and any other error when the bucket does not answer. Running it twice, or for two origins
   * at once, writes the same things.
   */
  async store(
    items: readonly Item[],
    results: readonly Result[],
    origin: string,
  ): Promise<Outcome[]> {
    checkResults(items, results);
    const claims = claimsOf(results);
    const x = this.#with.keyOf(origin);
    if (x === undefined) throw new InvalidResult(`the origin ${origin} has no key`);
    await checkSignatures(results, claims, { name: origin, x });
    const work: Work = { origin, claims, limit: pLimit(BUCKET_CONCURRENCY) };
    const pairs = await this.#pairs(items, results, work);
    const parts = new Map(pairs.flatMap((pair) => pair.parts.map((part) => [part.key, part])));
    checkClaims(parts, claims);
    await this.#checkBlobs(results, work);
    const layers = await this.#layers([...parts.values()], work);
    return Promise.all(pairs.map((pair) => work.limit(() => this.#write(pair, layers, origin))));
  }

  #pairs(
    items: readonly Item[],
    results: readonly Result[],
    { limit }: Work,
  ): Promise<readonly Pair[]> {
    return Promise.all(
      items.map((item, at) =>
        limit(async () => {
          const result = results[at];
          if (result === undefined) throw new InvalidResult("an item has no result");
          const statement = await this.#statementFor(item, result, results);
          if (statement === undefined) return { item, result, parts: [] };
          const level = result.kind === "level" ? result.level : statement.level;
          return { item, result, parts: partsOf(statement, level) };
        }),
      ),
    );
  }

  /**
   * What is said of the package: for one more level by the package's own record, in the bucket or
   * beside it.
   */
  async #statementFor(
    item: Item,
    result: Result,
    results: readonly Result[],
  ): Promise<PackageStatement | undefined> {
    if (item.kind !== "package") return undefined;
    if (result.kind === "package") return result.statement;
    if (result.kind !== "level") return undefined;
    const stored = await readRecord(this.#with.bucket, packageRecord(item, item.name));
    const statement = stored ?? results.find((other) => isRecordOf(item, other))?.statement;
    if (statement === undefined)
      throw new InvalidResult(`there is no record of ${item.name} that a level could belong to`);
    return statement;
  }

  /**
   * Stores what is new of the layers of these parts; returns what stands, by key. First it looks
   * for those that were not made now: without them nothing is written.
   */
  async #layers(parts: readonly Part[], work: Work): Promise<Map<string, Standing>> {
    const { bucket, keyOf, zstd } = this.#with;
    const isZstd = await zstd();
    const wanted = parts.flatMap(({ key, small }) =>
      CODECS.filter((codec) => codec === "gzip" || (isZstd && small === undefined)).map(
        (codec) => ({ key, codec, path: layerPath(key, codec) }),
      ),
    );
    const records = new Map<string, LayerRecord>();
    const known = wanted.filter(({ path }) => !work.claims.has(path));
    await Promise.all(
      known.map(({ key, codec, path }) =>
        work.limit(async () => {
          const record = await standingLayer(bucket, keyOf, key, codec);
          if (record !== null) records.set(path, record);
          else if (codec === "gzip")
            throw new InvalidResult(`nothing is known of the layer ${key}, nor was it made`);
        }),
      ),
    );
    await Promise.all(
      [...work.claims].map(([path, claim]) =>
        work.limit(async () => {
          records.set(path, await storeLayer(bucket, keyOf, work.origin, claim));
        }),
      ),
    );
    return new Map(
      parts.map(({ key }) => [
        key,
        standing(records.get(layerPath(key)), records.get(layerPath(key, "zstd"))),
      ]),
    );
  }

  /** Every blob that a statement names, before anything is written. */
  async #checkBlobs(results: readonly Result[], { claims, limit }: Work): Promise<void> {
    const blobs: Descriptor[] = [...claims.values()].map(({ statement }) => statement);
    for (const result of results) {
      if (result.kind === "package") blobs.push(result.statement.listing);
      if (result.kind === "index") blobs.push(result.statement.names);
    }
    await Promise.all(blobs.map((blob) => limit(() => requireBlob(this.#with.bucket, blob))));
  }

  async #write(
    { item, result, parts }: Pair,
    standing: ReadonlyMap<string, Standing>,
    origin: string,
  ): Promise<Outcome> {
    const { bucket } = this.#with;
    const layers = parts.map(({ key }) => layerOf(standing, key));
    switch (result.kind) {
      case "failure":
        return { kind: "failure", failure: await this.#withoutLostLog(result.failure) };
      case "revision":
        if (item.kind === "tag") {
          const { packageSet, tag } = item;
          await writeTag(bucket, { packageSet, tag, revision: result.revision, origin });
        }
        return result;
      case "index": {
        const { statement, signature } = result;
        const place = indexRecord(statement, statement.path);
        const record = { ...statement, signed: [{ origin, signature }] };
        return { kind: "index", record: await writeRecord(bucket, place, record) };
      }
      case "package": {
        const { statement, signature } = result;
        const record: PackageRecord = {
          ...statement,
          layers: layers.map(({ layer }) => layer),
          origins: union([[origin], ...layers.map(({ origins }) => origins)]),
          signed: [{ origin, signature }],
        };
        checkLength(record);
        const place = packageRecord(statement, statement.name);
        return { kind: "package", record: await writeRecord(bucket, place, record) };
      }
      case "level": {
        const { name, ...scope } = item as PackageItem;
        const record = {
          format: RECORD_FORMAT,
          level: result.level,
          layers: layers.map(({ layer }) => layer),
          origins: union(layers.map(({ origins }) => origins)),
        } as const;
        const place = levelRecord(scope, name, result.level);
        return { kind: "level", record: await writeRecord(bucket, place, record) };
      }
    }
  }

  /** A log that is not in the bucket is left out: the failure is worth telling all the same. */
  async #withoutLostLog(failure: Failure): Promise<Failure> {
    const { logBlob, ...rest } = failure;
    if (logBlob === undefined) return rest;
    const found = await this.#with.bucket.head(blobPath(logBlob.digest));
    return found?.size === logBlob.size ? failure : rest;
  }
}

/** A layer as package records have it. */
function standing(gzip: LayerRecord | undefined, zstd: LayerRecord | undefined): Standing {
  if (gzip === undefined) throw new TypeError("a layer was not settled");
  if (zstd !== undefined && zstd.diffId !== gzip.diffId)
    throw new InvalidResult(`the layer ${gzip.key} is another one with zstd`);
  const { key, digest, size, diffId, trees } = gzip;
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

function layerOf(standing: ReadonlyMap<string, Standing>, key: string): Standing {
  const found = standing.get(key);
  if (found === undefined) throw new TypeError(`the layer ${key} was not settled`);
  return found;
}

const union = (lists: readonly (readonly string[])[]): string[] =>
  [...new Set(lists.flat())].sort();

const isRecordOf = (
  { name }: PackageItem,
  result: Result,
): result is Extract<Result, { kind: "package" }> =>
  result.kind === "package" && result.statement.name === name;
