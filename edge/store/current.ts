/**
 * Records that change (tags, the plan pointer), as this isolate has seen them last: each is read
 * again now and then. The last one seen stays in force while the bucket does not answer, and for a
 * minute when it holds none that can be used.
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
  /** When the bucket had it last, milliseconds since 1970. */
  readonly foundAt: number;
  /** When to read it again. */
  readonly rereadAt: number;
}
const remembered = memory<Seen>(REMEMBERED_BYTES, () => RECORD_BYTES);

/** How long what was read is taken as the truth, milliseconds. */
export interface Ages {
  readonly present: number;
  /** The same for there being no record. */
  readonly absent: number;
}

/** The record, or null when there is none. Throws what the bucket throws only without one seen. */
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
  // At once: other requests need not wait for this one's bucket.
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
  // Withdrawn, or damaged: then whoever makes it again mends it.
  else if (seen === undefined || last === null || now >= seen.foundAt + KEPT_MS)
    seeCurrent(place, null, ages.absent);
  else return last;
  return record;
}

/** To be called with a record that somebody else has just written. `age` as in Ages. */
export function seeCurrent<T>({ path }: RecordPlace<T>, record: T | null, age: number): void {
  const now = Date.now();
  remembered.set(path, { record, foundAt: now, rereadAt: now + age });
}

/** Before a set's first plan. */
const NO_PLAN = "none";
/** How long a pointer is taken as read, milliseconds: a new plan comes perhaps once a day. */
const PLAN_FRESH_MS = 60_000;

/**
 * The identity of the layer plan in force. A new plan changes every key, so images that were pulled
 * before stay as they are.
 */
export async function planInForce(bucket: Bucket, packageSet: string): Promise<string> {
  const ages = { present: PLAN_FRESH_MS, absent: PLAN_FRESH_MS };
  return (await readCurrent(bucket, planPointer(packageSet), ages))?.plan ?? NO_PLAN;
}
