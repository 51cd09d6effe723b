/**
 * Publication: turns an origin's results into records in the bucket. A record is written only when
 * the origin signed its statement and every blob that it names is in the bucket.
 */
import pLimit, { type LimitFunction } from "p-limit";
import { closureContent } from "../../contract/closure.ts";
import type { Digest } from "../../contract/digest.ts";
import { layerPath } from "../../contract/keys.ts";
import type { Item, PackageItem, Result } from "../../contract/items.ts";
import {
  CODECS,
  DamagedBlob,
  type Descriptor,
  layerContent,
  type LayerRecord,
  type PackageStatement,
} from "../../contract/records.ts";
import { keepBlobs } from "../../store/claims.ts";
import { readClosure } from "../../store/closures.ts";
import { packageRecord, readRecord, type ResolvedTag } from "../../store/records.ts";
import { type AnotherOwner, type Candidate, contentOf, MAX_CANDIDATE } from "./agreement.ts";
import type { Candidates } from "./candidates.ts";
import type { Outcome } from "../builds/answer.ts";
import {
  checkClaims,
  checkResults,
  checkSignatures,
  type Claims,
  claimsOf,
  InvalidResult,
  partsOf,
} from "./check-results.ts";
import { BUCKET_CONCURRENCY } from "../limits.ts";
import { requireContents } from "./small-parts.ts";
import { requireBlob } from "./layer-records.ts";
import { layersMadeBefore, storeLayers } from "./layers.ts";
import type { Trust } from "./trust.ts";
import { type OutcomeParts, type Pair, writeOutcome } from "./write-outcome.ts";

export interface PublicationParts extends OutcomeParts {
  readonly trust: Trust;
  /** Results that wait for origins of other owners to agree. */
  readonly candidates: Candidates;
  /** Whether layers are made with zstd as well. */
  readonly zstd: () => Promise<boolean>;
}

/** What the steps of one `store` share. */
interface Work {
  readonly origin: string;
  /** Its public key. */
  readonly key: string;
  readonly claims: Claims;
  /** How many owners' origins must make the same. */
  readonly agree: number;
  /** Where origins must agree: what the packages' closures say, by digest of the blob. */
  readonly closures: ReadonlyMap<Digest, string>;
  readonly limit: LimitFunction;
}

export class Publication {
  readonly #with: PublicationParts;
  constructor(parts: PublicationParts) {
    this.#with = parts;
  }

  /**
   * Checks the results of a job's items against the items, the origin's signatures and the bucket.
   * Writes them, once enough origins agree, and returns what the bucket holds now, which everybody
   * else sees too. Throws InvalidResult when a result cannot be trusted (no package record has been
   * written then), and any other error when the bucket does not answer. Running it twice, or for
   * two origins at once, writes the same.
   */
  async store(
    items: readonly Item[],
    results: readonly Result[],
    origin: string,
  ): Promise<(Outcome | AnotherOwner)[]> {
    const { trust } = this.#with;
    checkResults(items, results);
    const claims = claimsOf(results);
    const key = trust.keyOf(origin);
    if (key === undefined) throw new InvalidResult(`the origin ${origin} has no key`);
    await checkSignatures(results, claims, { name: origin, x: key });
    const agree = await trust.agree();
    const limit = pLimit(BUCKET_CONCURRENCY);
    const closures = new Map<Digest, string>();
    const work: Work = { origin, key, claims, agree, closures, limit };
    await keepBlobs(this.#with.bucket, digestsIn(results));
    const pairs = await this.#pairs(items, results, work);
    const parts = new Map(pairs.flatMap((pair) => pair.parts.map((part) => [part.key, part])));
    checkClaims(parts, claims);
    await this.#checkBlobs(results, work);
    if (agree > 1) {
      await this.#checkSmallParts(work);
      await this.#readClosures(results, closures);
    }
    const layers = { ...this.#with, ...work };
    const known = await layersMadeBefore([...parts.values()], layers);
    this.#requireInForce(work);
    const agreed = pairs.map((pair) => this.#agreed(pair, known, work));
    const stored = await storeLayers(
      agreed.flatMap((group) => group ?? []),
      layers,
    );
    const standing = new Map([...known, ...stored]);
    return Promise.all(
      pairs.map(({ item, result, parts }, at) => {
        const group = agreed[at];
        if (group === undefined) return { kind: "another-owner" } as const;
        return limit(async () => {
          this.#requireInForce(work);
          const outcome = await writeOutcome({ item, result, parts }, standing, group, this.#with);
          if (agree > 1) this.#with.candidates.forgetItem(item);
          return outcome;
        });
      }),
    );
  }

  /** Throws InvalidResult when the origin was revoked while its results were looked at. */
  #requireInForce({ origin, key }: Work): void {
    if (this.#with.trust.keyOf(origin) !== key)
      throw new InvalidResult(`the origin ${origin} has been revoked`);
  }

  /**
   * The candidates of origins that made the same of an item, including this one; undefined while
   * they are too few. A failure needs no agreement.
   */
  #agreed(
    { item, result, parts }: Pair,
    known: ReadonlyMap<string, LayerRecord>,
    { origin, key, claims, agree, closures }: Work,
  ): readonly Candidate[] | undefined {
    if (result.kind === "failure") return [];
    const { trust, candidates } = this.#with;
    const own = parts.flatMap((part) =>
      CODECS.flatMap((codec) => claims.get(layerPath(part.key, codec)) ?? []),
    );
    const contents = parts.map((part): [string, string] => {
      const path = layerPath(part.key);
      const statement = claims.get(path)?.statement ?? known.get(path);
      return [part.key, statement === undefined ? "" : layerContent(statement)];
    });
    const closure =
      result.kind === "package" ? closures.get(result.statement.closure.digest) : undefined;
    const content = agree > 1 ? contentOf(result, new Map(contents), closure) : {};
    const owner = trust.ownerOf(origin);
    const candidate = { origin, key, owner, result, layers: own, content };
    if (agree === 1) return [candidate];
    if (JSON.stringify(candidate).length > MAX_CANDIDATE)
      throw new InvalidResult(`a result has more than ${MAX_CANDIDATE} characters to compare`);
    return candidates.add(item, candidate, agree, Date.now()) ?? undefined;
  }

  /** What an origin says a tag means, without being asked: written once enough agree. */
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
   * The statement of an item's package. For one more level it is that of the package's record, in
   * the bucket or from the same job.
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

  /** One at a time, since each is in memory as a whole. */
  async #checkSmallParts({ claims }: Work): Promise<void> {
    for (const { statement } of claims.values())
      if (statement.trees !== undefined) await requireContents(this.#with.bucket, statement);
  }

  /**
   * One at a time, since each is in memory as a whole. Throws InvalidResult for a blob that is not
   * a closure.
   */
  async #readClosures(results: readonly Result[], closures: Map<Digest, string>): Promise<void> {
    for (const result of results) {
      if (result.kind !== "package") continue;
      const { name, closure, storePath } = result.statement;
      const read = await readClosure(this.#with.bucket, closure).catch((error: unknown) => {
        if (!(error instanceof DamagedBlob)) throw error;
        throw new InvalidResult(`the closure of ${name}: ${error.message}`);
      });
      closures.set(closure.digest, await closureContent(read, storePath));
    }
  }

  /** Checks every blob that a statement names, before anything is written. */
  async #checkBlobs(results: readonly Result[], { claims, limit }: Work): Promise<void> {
    const blobs: Descriptor[] = [...claims.values()].map(({ statement }) => statement);
    for (const result of results) {
      if (result.kind === "package") blobs.push(result.statement.listing, result.statement.closure);
      if (result.kind === "index") {
        const { names, about } = result.statement;
        blobs.push(names, ...(about === undefined ? [] : [about]));
      }
    }
    await Promise.all(blobs.map((blob) => limit(() => requireBlob(this.#with.bucket, blob))));
  }
}

/** Every digest that occurs in the results. */
const digestsIn = (results: readonly Result[]): Digest[] =>
  [...new Set(JSON.stringify(results).match(/sha256:[0-9a-f]{64}/g))] as Digest[];

const isRecordOf = (
  { name }: PackageItem,
  result: Result,
): result is Extract<Result, { kind: "package" }> =>
  result.kind === "package" && result.statement.name === name;
