/**
 * Caches the records that change: tags and the plan pointer. An entry is read again after a while.
 * While the bucket does not answer, the last known record stays in force; when the record is missing
 * or damaged, until it is KEPT_MS old (fresh.ts).
 */
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { KEPT_MS } from "./fresh.ts";
import { memory } from "./memory.ts";
import { planPointer, readRecord, type RecordPlace } from "./records.ts";

/** About 2,000 records. */
const REMEMBERED_BYTES = 2 ** 20;
const RECORD_BYTES = 200;

interface Seen<T = unknown> {
  readonly record: T | null;
  /** When it was last read from the bucket, milliseconds since 1970. */
  readonly foundAt: number;
  /** When to read it again. */
  readonly rereadAt: number;
}
const remembered = memory<Seen>(REMEMBERED_BYTES, () => RECORD_BYTES);

/** How long a record is used without reading it again, milliseconds. */
export interface Ages {
  readonly present: number;
  /** The same for the absence of a record. */
  readonly absent: number;
}

/**
 * The record, or null when there is none. When the bucket fails: the last one known, else the
 * error.
 */
export async function readCurrent<T>(
  bucket: Bucket,
  place: RecordPlace<T>,
  ages: Ages,
): Promise<T | null> {
  const { path } = place;
  const seen = remembered.get(path) as Seen<T> | undefined;
  const now = Date.now();
  if (seen !== undefined && now < seen.rereadAt) return seen.record;
  const last = seen?.record ?? null;
  // Immediately, so that other requests need not wait for this one's bucket.
  if (seen !== undefined && last !== null)
    remembered.set(path, { ...seen, rereadAt: now + ages.present });
  let record: T | null;
  try {
    record = await readRecord(bucket, place);
  } catch (error) {
    if (last === null) throw error;
    note("warn", "record.unread", { path, error: String(error) });
    return last;
  }
  if (record !== null) seeCurrent(place, record, ages.present);
  // Withdrawn, or damaged: whoever makes it again repairs it.
  else if (seen === undefined || last === null || now >= seen.foundAt + KEPT_MS)
    seeCurrent(place, null, ages.absent);
  else return last;
  return record;
}

/** Call it with a record that was just written elsewhere. `age` as in Ages. */
export function seeCurrent<T>({ path }: RecordPlace<T>, record: T | null, age: number): void {
  const now = Date.now();
  remembered.set(path, { record, foundAt: now, rereadAt: now + age });
}

/** Before a set's first plan. */
const NO_PLAN = "none";
/**
 * How long a plan pointer is used without reading it again, ms: a new plan comes once a day or
 * less.
 */
const PLAN_FRESH_MS = 60_000;

/**
 * The id of the layer plan in force. The id is part of every key, so a new plan does not change
 * images that were pulled before.
 */
export async function planInForce(bucket: Bucket, packageSet: string): Promise<string> {
  const ages = { present: PLAN_FRESH_MS, absent: PLAN_FRESH_MS };
  return (await readCurrent(bucket, planPointer(packageSet), ages))?.plan ?? NO_PLAN;
}
