/**
 * Reads and writes the records in the bucket, of every kind (record-places.ts).
 *
 * A record is damaged when it is no JSON, does not match its schema, or does not belong to its
 * path. A damaged record counts as absent: it is made again, and `writeRecord` replaces it.
 * `writeRecord` never replaces a valid record.
 */
import * as v from "valibot";
import { canonicalJson } from "../contract/keys.ts";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { readRecordText } from "./read-whole.ts";
import { type Asked, FreshMemory, KEPT_MS } from "./fresh.ts";
import { memory } from "./memory.ts";
import { tagRecord, revisionRecord, dayRecord, type RecordPlace } from "./record-places.ts";

export * from "./record-places.ts";

/** Size of the cache, bytes. Most records have 1 to 50 kB as JSON, and up to twice that parsed. */
const REMEMBERED_BYTES = 16 * 2 ** 20;
const OBJECT_FACTOR = 2;
/**
 * By path, which determines the type: only values that were validated against the place's schema.
 */
const remembered = new FreshMemory<Stored<unknown>>(
  REMEMBERED_BYTES,
  ({ length }) => length * OBJECT_FACTOR,
);

/** Paths of damaged records that were logged: about 1,000. */
const reported = memory<object>(2 ** 18, () => 0);

/**
 * When a record was read from the bucket, milliseconds since 1970. Also for objects that were
 * derived from records (inheritAge).
 */
const askedAt = new WeakMap<object, number>();

/** When the oldest of these was read; now, for objects that were not. */
const oldest = (of: readonly object[]): number =>
  Math.min(Date.now(), ...of.map((each) => askedAt.get(each) ?? Date.now()));

/** Call it with an object that was derived from records: it is as old as the oldest of them. */
export function inheritAge(made: object, of: readonly object[]): void {
  askedAt.set(made, oldest(of));
}

/** Whether one of these records is too old to be used: it may have been withdrawn. */
export const isOld = (records: readonly object[]): boolean =>
  Date.now() >= oldest(records) + KEPT_MS;

/** The record, or null when there is none, or a damaged one. */
export async function readRecord<T>(bucket: Bucket, place: RecordPlace<T>): Promise<T | null> {
  const known = place.mutable ? null : rememberedRecord(bucket, place);
  if (known !== null) return known;
  const read = (): Promise<Asked<Stored<T>> | null> => readStored(bucket, place);
  const found = await (place.mutable ? read() : remembered.read(place.path, read));
  return (found?.value.value as T | undefined) ?? null;
}

/** The record as the bucket has it now, whatever this isolate remembers. */
export const readRecordNow = <T>(bucket: Bucket, place: RecordPlace<T>): Promise<T | null> =>
  readRecord(bucket, { ...place, mutable: true });

/** A record that is written once, if it is in this isolate's cache. */
export function rememberedRecord<T>(bucket: Bucket, place: RecordPlace<T>): T | null {
  const known = remembered.get(place.path, bucket.background, () => readStored(bucket, place));
  return (known?.value.value as T | undefined) ?? null;
}

/** Call it with a record that the farm has just written. */
export function seeRecord<T>(place: RecordPlace<T>, record: T): void {
  const { length } = canonicalJson(record);
  remember(place, { value: { value: record, length }, askedAt: Date.now() });
}

/** Deletes a record. Isolates serve it from their caches for up to a minute (fresh.ts). */
export async function withdrawRecord(bucket: Bucket, path: string): Promise<void> {
  await bucket.delete(path);
  remembered.delete(path);
}

/**
 * Writes a record, and returns the one that is in the bucket now: the one given, or, for kinds that
 * are written once, the one that was there before. A damaged one is replaced. `madeOf`: the records
 * that it was derived from.
 */
export async function writeRecord<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
  record: T,
  madeOf: readonly object[] = [],
): Promise<T> {
  const text = canonicalJson(record);
  const askedAt = oldest(madeOf);
  const put = (ifAbsent: boolean): Promise<boolean> =>
    bucket.put(place.path, text, { contentType: "application/json", ifAbsent });
  if (!(await put(!place.mutable))) {
    const stored = await readStored(bucket, place);
    if (stored !== null) {
      remember(place, stored);
      return stored.value.value;
    }
    await put(false);
    reported.delete(place.path);
  }
  // Not before: a record whose write failed would be taken for one that is there.
  remember(place, { value: { value: record, length: text.length }, askedAt });
  noteWritten(place.path, record);
  return record;
}

/** Logs which origins made what the record contains. */
function noteWritten(path: string, record: unknown): void {
  const { origins, origin, signed } = record as {
    readonly origins?: readonly string[];
    readonly origin?: string;
    readonly signed?: readonly { readonly origin: string }[];
  };
  const said = origin === undefined ? signed?.map((vouch) => vouch.origin) : [origin];
  const all = origins ?? said;
  if (all !== undefined) note("info", "record.written", { path, origins: all });
}

/** Writes a record, replacing the one that is there. */
export async function replaceRecord<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
  record: T,
): Promise<T> {
  const text = canonicalJson(record);
  await bucket.put(place.path, text, { contentType: "application/json", ifAbsent: false });
  noteWritten(place.path, record);
  remember(place, { value: { value: record, length: text.length }, askedAt: Date.now() });
  return record;
}

/**
 * A tag's record is not written again for this long while its revision is the same, milliseconds:
 * every origin of a set announces the tag, and R2 allows one write a second to a key.
 */
const TAG_WRITE_MS = 10_000;

/** The revision of a tag, as an origin announced it. */
export interface ResolvedTag {
  readonly packageSet: string;
  readonly tag: string;
  readonly revision: string;
  readonly origin: string;
}

/** The day of a time (milliseconds since 1970) in UTC: yyyy-mm-dd. */
export const dayOf = (time: number): string =>
  new Date(time).toISOString().slice(0, "yyyy-mm-dd".length);

/**
 * Sets a tag to a revision, and records that the revision belongs to the package set. For `latest`,
 * also records the last revision of each day, for tags that are dates (pull/tags/date-tags.ts).
 */
export async function writeTag(
  bucket: Bucket,
  { packageSet, tag, revision, origin }: ResolvedTag,
): Promise<void> {
  const now = Date.now();
  await writeRecord(bucket, revisionRecord(packageSet, revision), { tag, seenAt: now, origin });
  const place = tagRecord(packageSet, tag);
  const known = await readRecord(bucket, place);
  if (known?.revision === revision && now < known.resolvedAt + TAG_WRITE_MS) return;
  const isNews = known?.revision !== revision || dayOf(known.resolvedAt) !== dayOf(now);
  if (tag === "latest" && isNews)
    await writeRecord(bucket, dayRecord(packageSet, dayOf(now)), { revision, seenAt: now, origin });
  await writeRecord(bucket, place, { revision, resolvedAt: now, origin });
}

function remember<T>(place: RecordPlace<T>, record: Asked<Stored<T>>): void {
  if (place.mutable) return;
  remembered.set(place.path, record);
  noteAge(record);
}

function noteAge(record: Asked<Stored<unknown>> | null): void {
  const value = record?.value.value;
  if (record && typeof value === "object" && value !== null) askedAt.set(value, record.askedAt);
}

interface Stored<T> {
  readonly value: T;
  /** Bytes as JSON. */
  readonly length: number;
}

/** The record in the bucket; null when it is absent, or damaged, which is logged once. */
async function readStored<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
): Promise<Asked<Stored<T>> | null> {
  let found = await read(bucket, place);
  if (typeof found === "string" && bucket.dropCopy) {
    // It may be only the Cache API's copy that is damaged.
    await bucket.dropCopy(place.path);
    found = await read(bucket, place);
  }
  if (typeof found !== "string") {
    noteAge(found);
    return found;
  }
  if (!reported.has(place.path)) {
    reported.set(place.path, {});
    note("warn", "record.damaged", { path: place.path, reason: found });
  }
  return null;
}

/** The record, null when there is none, or, as a string, what is wrong with it. */
async function read<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
): Promise<Asked<Stored<T>> | null | string> {
  const now = Date.now();
  const object = await readRecordText(bucket, place.path);
  if (object === null) return null;
  const { size, text } = object;
  if (text === null) return `it has ${size} bytes`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    return String(error);
  }
  const parsed = v.safeParse(place.schema, json);
  if (!parsed.success) return v.summarize(parsed.issues).slice(0, MAX_REASON);
  return place.belongs(parsed.output)
    ? { value: { value: parsed.output, length: text.length }, askedAt: object.askedAt ?? now }
    : "it is the record of something else";
}

/** Longest reason in the log, characters. */
const MAX_REASON = 500;
