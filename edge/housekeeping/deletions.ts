/**
 * Deletions, and the claims that prevent them (store/claims.ts). One object decides both,
 * synchronously, so either a key is claimed before its deletion is decided, or the claim learns
 * that the key is gone:
 *
 *   claim, decide     the object is no longer condemned, and is not deleted
 *   decide, claim     the claim waits until the objects are deleted, and is told which
 *
 * Decisions are stored until they are carried out. If this object is lost in between, the run's
 * next step carries out the rest before it decides on anything that only those objects name. A
 * claim that comes before that step takes its keys off the list.
 */
import pLimit from "p-limit";
import { BUCKET_REQUESTS, forgetBlob, PRESENT_MS } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { withdrawRecord } from "../store/records.ts";
import type { Tables } from "./tables.ts";

/**
 * How long claims are told about a deletion, milliseconds: longer than any isolate remembers a
 * blob.
 */
const GONE_MS = 2 * PRESENT_MS;
/**
 * How long deletions are remembered, milliseconds: longer than a run, which needs them to restore
 * images.
 */
const KNOWN_MS = 2 * 86_400_000;
/** After this time every request that an evicted instance of this object sent has arrived, ms. */
const PREDECESSOR_MS = 5_000;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const BLOB = /^blobs\/sha256\/([0-9a-f]{64})$/;

export class Deletions {
  readonly #tables: Tables;
  readonly #bucket: Bucket;
  readonly #startedAt = Date.now();
  #underway: { readonly keys: ReadonlySet<string>; readonly done: Promise<unknown> } | undefined;

  constructor(tables: Tables, bucket: Bucket) {
    this.#tables = tables;
    this.#bucket = bucket;
  }

  async claim(keys: readonly string[]): Promise<string[]> {
    this.#tables.reprieve(keys);
    const now = Date.now();
    const gone = this.#tables.gone(keys, now - GONE_MS);
    if (gone.length === 0) return [];
    const underway = this.#underway;
    if (underway !== undefined && gone.some((key) => underway.keys.has(key))) await underway.done;
    if (now < this.#startedAt + PREDECESSOR_MS) await sleep(this.#startedAt + PREDECESSOR_MS - now);
    return gone;
  }

  /** Resolves when the deletions in progress are done: then the keys can be written again. */
  async settled(): Promise<void> {
    await this.#underway?.done;
  }

  /** Must be called in the transaction that decides on the deletions. */
  decided(keys: readonly string[]): void {
    const now = Date.now();
    this.#tables.noteGone(keys, now);
    this.#tables.forgetGone(now - KNOWN_MS);
  }

  /**
   * Deletes at most `most` objects whose deletion was decided, also by an earlier instance of this
   * object, and returns how many. Throws when the bucket does not answer: the rest is left for the
   * next call.
   */
  async deleteDecided(most: number): Promise<number> {
    const keys = this.#tables.undeleted(most);
    const limit = pLimit(BUCKET_REQUESTS);
    const all = keys.map((key) => limit(() => this.#deleteOne(key)));
    const underway = { keys: new Set(keys), done: Promise.allSettled(all) };
    this.#underway = underway;
    const ends = await underway.done;
    if (this.#underway === underway) this.#underway = undefined;
    this.#tables.noteDeleted(keys.filter((_, at) => ends[at]?.status === "fulfilled"));
    await Promise.all(all);
    return keys.length;
  }

  async #deleteOne(key: string): Promise<void> {
    const [, hex] = BLOB.exec(key) ?? [];
    if (hex !== undefined) forgetBlob(`sha256:${hex}`);
    await withdrawRecord(this.#bucket, key);
  }
}
