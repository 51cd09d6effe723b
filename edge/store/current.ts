/**
 * Records that change (tags, the plan pointer), as this isolate has seen them last: each is read
 * again now and then. The last one seen stays in force while the bucket does not answer, or holds
 * none that can be used.
 */
import { note } from "../log.ts";
import type { Bucket } from "./bucket.ts";
import { memory } from "./memory.ts";
import { planPointer, readRecord, type RecordPlace } from "./records.ts";

/** About 2,000 records. */
const REMEMBERED_BYTES = 2 ** 20;
const RECORD_BYTES = 200;

interface Seen {
  readonly record: unknown;
  /** When to read it again, milliseconds since 1970. */
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
  const seen = remembered.get(place.path) as { record: T | null; rereadAt: number } | undefined;
  const now = Date.now();
  if (seen !== undefined && now < seen.rereadAt) return seen.record;
  const last = seen?.record ?? null;
  // At once: other requests need not wait for this one's bucket.
  if (last !== null) seeCurrent(place, last, ages.present);
  const record = (await readOr(last, bucket, place)) ?? last;
  seeCurrent(place, record, record === null ? ages.absent : ages.present);
  return record;
}

/** To be called with a record that somebody else has just written. `age` as in Ages. */
export function seeCurrent<T>({ path }: RecordPlace<T>, record: T | null, age: number): void {
  remembered.set(path, { record, rereadAt: Date.now() + age });
}

async function readOr<T>(last: T | null, bucket: Bucket, place: RecordPlace<T>): Promise<T | null> {
  try {
    return await readRecord(bucket, place);
  } catch (error) {
    if (last === null) throw error;
    const { path } = place;
    note("warn", "record.unread", { path, error: String(error) });
    return last;
  }
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
