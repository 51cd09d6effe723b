/**
 * The records in the bucket: the one way to read and to write them, whatever their kind
 * (record-places.ts).
 *
 * A record that cannot be used (no JSON, against its schema, of something else than its path says)
 * is damaged. It counts as absent: whoever needs it has it made again, and `writeRecord` replaces it,
 * although it never replaces a record that can be used.
 */
import * as v from "valibot";
import { canonicalJson } from "../contract/keys.ts";
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { type Asked, FreshMemory, KEPT_MS } from "./fresh.ts";
import { memory } from "./memory.ts";
import { tagRecord, revisionRecord, dayRecord, type RecordPlace } from "./record-places.ts";

export * from "./record-places.ts";

/**
 * Largest record that is read, bytes: a package record of 2,000 parts has about 300 kB.
 */
const MAX_RECORD_BYTES = 8 * 2 ** 20;
/**
 * Records that are remembered, bytes: most take 1 to 50 kB as JSON, and two to three times as much
 * as objects.
 */
const REMEMBERED_BYTES = 20 * 2 ** 20;
const OBJECT_FACTOR = 3;
/** By path, which says the type: only values that their place's schema has passed. */
const remembered = new FreshMemory<Stored<unknown>>(
  REMEMBERED_BYTES,
  ({ length }) => length * OBJECT_FACTOR,
);

/** Paths of damaged records that the log has named: about 1,000. */
const reported = memory<object>(2 ** 18, () => 0);

/**
 * When the bucket was asked for what is in memory, milliseconds since 1970: of records, and of what is
 * made of them (inheritAge).
 */
const askedAt = new WeakMap<object, number>();

/** The oldest of these; now for what has just been made of nothing older. */
const oldest = (of: readonly object[]): number =>
  Math.min(Date.now(), ...of.map((each) => askedAt.get(each) ?? Date.now()));

/** To be called with what was made of records: it is no younger than they are. */
export function inheritAge(made: object, of: readonly object[]): void {
  askedAt.set(made, oldest(of));
}

/** Whether one of these records is older than memory gives any: it may be withdrawn. */
export const isOld = (records: readonly object[]): boolean =>
  Date.now() >= oldest(records) + KEPT_MS;

/** The record, or null when there is none that can be used. */
export async function readRecord<T>(bucket: Bucket, place: RecordPlace<T>): Promise<T | null> {
  const known = place.mutable ? null : rememberedRecord(bucket, place);
  if (known !== null) return known;
  const read = (): Promise<Asked<Stored<T>> | null> => readStored(bucket, place);
  const found = await (place.mutable ? read() : remembered.read(place.path, read));
  return (found?.value.value as T | undefined) ?? null;
}

/** A record that is written once, if this isolate has it in memory. */
export function rememberedRecord<T>(bucket: Bucket, place: RecordPlace<T>): T | null {
  const known = remembered.get(place.path, bucket.background, () => readStored(bucket, place));
  return (known?.value.value as T | undefined) ?? null;
}

/** To be called with the record that stands now, as the farm has written it. */
export function seeRecord<T>(place: RecordPlace<T>, record: T): void {
  const { length } = canonicalJson(record);
  remember(place, { value: { value: record, length }, askedAt: Date.now() });
}

/** Deletes a record; an isolate that has it in memory forgets it within a minute. */
export async function withdrawRecord(bucket: Bucket, path: string): Promise<void> {
  await bucket.delete(path);
  remembered.delete(path);
}

/**
 * Writes a record, and returns the one that is in force now: the record given, or the one that
 * stood there already, when its kind is written once. A damaged one is replaced. `madeOf`: what it
 * was made of, when that is in memory.
 */
export async function writeRecord<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
  record: T,
  madeOf: readonly object[] = [],
): Promise<T> {
  const text = canonicalJson(record);
  // At once: nobody in this isolate should make it again while it is being written.
  remember(place, { value: { value: record, length: text.length }, askedAt: oldest(madeOf) });
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
  noteWritten(place.path, record);
  return record;
}

/** For whoever wants to know later who made what: the origins that the record says it rests on. */
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

/** Writes a record in place of the one that is there, which counts no more. */
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
 * The record of a tag is not written again for this long while it means the same, milliseconds:
 * every origin of a set announces it, and R2 takes one write a second for a key.
 */
const TAG_WRITE_MS = 10_000;

/** What an origin says that a tag means. */
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
 * A tag means this revision from now on, and the revision belongs to the set for good. Of `latest`
 * it is kept what it meant last on each day, for tags that are dates (pull/tags/date-tags.ts).
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

/** What the bucket holds; null when that is nothing, or damaged, which is logged once. */
async function readStored<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
): Promise<Asked<Stored<T>> | null> {
  let found = await read(bucket, place);
  if (typeof found === "string" && bucket.dropCopy) {
    // What is damaged may be a copy, and the object in the bucket replaced since.
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

/** The record, null when there is none, or what is wrong with it. */
async function read<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
): Promise<Asked<Stored<T>> | null | string> {
  const now = Date.now();
  const object = await bucket.get(place.path);
  if (object === null) return null;
  if (object.size > MAX_RECORD_BYTES) {
    await object.body.cancel();
    return `it has ${object.size} bytes`;
  }
  let json: unknown;
  const text = await new Response(object.body).text();
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
