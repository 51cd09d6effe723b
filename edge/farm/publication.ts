/**
 * From an origin's results to records in the bucket: nothing is written, and nobody is told, before
 * every blob that it names is there, and nothing without the origin's signature.
 */
import pLimit, { type LimitFunction } from "p-limit";
import { note } from "../log.ts";
import { missingNow } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { blobPath, layerPath } from "../contract/keys.ts";
import type { Failure, Item, PackageItem, Result } from "../contract/items.ts";
import {
  blobsOf,
  CODECS,
  type Descriptor,
  type Layer,
  layerContent,
  type LayerRecord,
  type LevelRecord,
  MAX_VOUCHES,
  type PackageRecord,
  type PackageStatement,
  type Part,
  RECORD_FORMAT,
  type Vouch,
} from "../contract/records.ts";
import {
  indexRecord,
  levelRecord,
  packageRecord,
  readRecord,
  type RecordPlace,
  replaceRecord,
  type ResolvedTag,
  writeRecord,
} from "../store/records.ts";
import { type AnotherOwner, type Candidate, contentOf, MAX_CANDIDATE } from "./agreement.ts";
import type { Candidates } from "./candidates.ts";
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
import { requireContents } from "./small-parts.ts";
import {
  type Claim,
  requireBlob,
  standingLayer,
  storeLayer,
  type Trust,
} from "./standing-layers.ts";

export interface PublicationParts {
  readonly bucket: Bucket;
  readonly trust: Trust;
  /** What waits for origins of other owners to agree. */
  readonly candidates: Candidates;
  /** Notes what a tag is to mean; returns what it means for now. */
  readonly setTag: (tag: ResolvedTag) => Promise<string>;
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
  /** Origins of so many owners must make the same. */
  readonly agree: number;
  readonly limit: LimitFunction;
}

export class Publication {
  readonly #with: PublicationParts;
  constructor(parts: PublicationParts) {
    this.#with = parts;
  }

  /**
   * Checks the results of a job's items against these, the origin's signatures and the bucket,
   * writes what they say, once enough origins agree, and returns what the bucket holds now: what
   * everybody else sees too. Throws InvalidResult when a result cannot be trusted (no package's
   * record has been written then), and any other error when the bucket does not answer. Running it
   * twice, or for two origins at once, writes the same things.
   */
  async store(
    items: readonly Item[],
    results: readonly Result[],
    origin: string,
  ): Promise<(Outcome | AnotherOwner)[]> {
    const { trust } = this.#with;
    checkResults(items, results);
    const claims = claimsOf(results);
    const x = trust.keyOf(origin);
    if (x === undefined) throw new InvalidResult(`the origin ${origin} has no key`);
    await checkSignatures(results, claims, { name: origin, x });
    const agree = await trust.agree();
    const limit = pLimit(BUCKET_CONCURRENCY);
    const work: Work = { origin, claims, agree, limit };
    const pairs = await this.#pairs(items, results, work);
    const parts = new Map(pairs.flatMap((pair) => pair.parts.map((part) => [part.key, part])));
    checkClaims(parts, claims);
    await this.#checkBlobs(results, work);
    if (agree > 1) await this.#checkSmallParts(work);
    const known = await this.#known([...parts.values()], work);
    const agreed = pairs.map((pair) => this.#agreed(pair, known, work));
    const stored = await this.#storeLayers(
      agreed.flatMap((group) => group ?? []),
      work,
    );
    const standing = new Map([...known, ...stored]);
    return Promise.all(
      pairs.map(({ item, result, parts }, at) => {
        const group = agreed[at];
        if (group === undefined) return { kind: "another-owner" } as const;
        return limit(() => this.#write({ item, result, parts }, standing, group));
      }),
    );
  }

  /**
   * The origins that have made the same of an item, this one among them; undefined while they are
   * too few. A failure is told by one.
   */
  #agreed(
    { item, result, parts }: Pair,
    known: ReadonlyMap<string, LayerRecord>,
    { origin, claims, agree }: Work,
  ): readonly Candidate[] | undefined {
    if (result.kind === "failure") return [];
    const { trust, candidates } = this.#with;
    const own = parts.flatMap(({ key }) =>
      CODECS.flatMap((codec) => claims.get(layerPath(key, codec)) ?? []),
    );
    const contents = parts.map(({ key }): [string, string] => {
      const path = layerPath(key);
      const statement = claims.get(path)?.statement ?? known.get(path);
      return [key, statement === undefined ? "" : layerContent(statement)];
    });
    const content = agree > 1 ? contentOf(result, new Map(contents)) : {};
    const candidate = { origin, owner: trust.ownerOf(origin), result, layers: own, content };
    if (agree === 1) return [candidate];
    if (JSON.stringify(candidate).length > MAX_CANDIDATE)
      throw new InvalidResult(`a result has more than ${MAX_CANDIDATE} characters to compare`);
    return candidates.add(item, candidate, agree, Date.now()) ?? undefined;
  }

  /** What an origin says that a tag means, without having been asked: written once enough agree. */
  async announce(tag: Omit<ResolvedTag, "origin">, origin: string): Promise<void> {
    const { packageSet, revision } = tag;
    const item: Item = { kind: "tag", packageSet, tag: tag.tag };
    await this.store([item], [{ kind: "revision", revision }], origin);
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

  /** What stands of the layers that were not made now, by path. Without them nothing is written. */
  async #known(parts: readonly Part[], work: Work): Promise<Map<string, LayerRecord>> {
    const { bucket, trust, zstd } = this.#with;
    const isZstd = await zstd();
    const wanted = parts
      .flatMap(({ key, small }) =>
        CODECS.filter((codec) => codec === "gzip" || (isZstd && small === undefined)).map(
          (codec) => ({ key, codec, path: layerPath(key, codec) }),
        ),
      )
      .filter(({ path }) => !work.claims.has(path));
    const known = new Map<string, LayerRecord>();
    const look = async ({ key, codec, path }: (typeof wanted)[number]): Promise<void> => {
      const record = await standingLayer(bucket, trust, key, codec);
      if (record !== null) known.set(path, record);
      else if (codec === "gzip")
        throw new InvalidResult(`nothing is known of the layer ${key}, nor was it made`);
    };
    await Promise.all(wanted.map((layer) => work.limit(() => look(layer))));
    return known;
  }

  /** Stores the layers that origins agree on; returns what stands, by path. */
  async #storeLayers(
    agreed: readonly Candidate[],
    { limit }: Work,
  ): Promise<Map<string, LayerRecord>> {
    const { bucket, trust } = this.#with;
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

  /** One at a time: each is in memory whole. */
  async #checkSmallParts({ claims }: Work): Promise<void> {
    for (const { statement } of claims.values())
      if (statement.trees !== undefined) await requireContents(this.#with.bucket, statement);
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
    standing: ReadonlyMap<string, LayerRecord>,
    agreed: readonly Candidate[],
  ): Promise<Outcome> {
    const { bucket } = this.#with;
    const layers = parts.map(({ key }) => layerOf(standing, key));
    const makers = agreed.map(({ origin }) => origin);
    switch (result.kind) {
      case "failure":
        return { kind: "failure", failure: await this.#withoutLostLog(result.failure) };
      case "revision":
        if (item.kind === "tag") {
          const { packageSet, tag } = item;
          const [origin = ""] = makers;
          const said = { packageSet, tag, revision: result.revision, origin };
          return { kind: "revision", revision: await this.#with.setTag(said) };
        }
        return result;
      case "index": {
        const { statement } = result;
        const place = indexRecord(statement, statement.path);
        const record = { ...statement, signed: vouches(agreed) };
        return { kind: "index", record: await writeRecord(bucket, place, record) };
      }
      case "package": {
        const { statement } = result;
        const record: PackageRecord = {
          ...statement,
          layers: layers.map(({ layer }) => layer),
          origins: union([makers, ...layers.map(({ origins }) => origins)]),
          signed: vouches(agreed),
        };
        checkLength(record);
        const place = packageRecord(statement, statement.name);
        return { kind: "package", record: await settle(bucket, place, record) };
      }
      case "level": {
        const { name, ...scope } = item as PackageItem;
        const record = {
          format: RECORD_FORMAT,
          level: result.level,
          layers: layers.map(({ layer }) => layer),
          origins: union([makers, ...layers.map(({ origins }) => origins)]),
        } as const;
        const place = levelRecord(scope, name, result.level);
        return { kind: "level", record: await settle(bucket, place, record) };
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

/**
 * Writes a record, and returns the one that stands: an earlier one, unless the bucket lacks a blob
 * that it names. Of two at once the later stands, and both are whole.
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

/** A layer as package records have it. */
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

/** The signatures of those who agree. */
const vouches = (agreed: readonly Candidate[]): Vouch[] =>
  agreed
    .flatMap(({ origin, result }) =>
      "signature" in result ? { origin, signature: result.signature } : [],
    )
    .slice(0, MAX_VOUCHES);

const union = (lists: readonly (readonly string[])[]): string[] =>
  [...new Set(lists.flat())].sort();

const isRecordOf = (
  { name }: PackageItem,
  result: Result,
): result is Extract<Result, { kind: "package" }> =>
  result.kind === "package" && result.statement.name === name;
