/**
 * The layer plan in force: a pointer in the bucket, at plans/<set>.json. Changing it changes every
 * key, so images that were pulled before stay as they are.
 */
import type { Bucket } from "./bucket.ts";
import { readCurrent } from "./current.ts";
import { planPointer } from "./records.ts";

/** Before a set's first plan. */
const NO_PLAN = "none";
/** How long a pointer is taken as read, milliseconds: a new plan comes perhaps once a day. */
const FRESH_MS = 60_000;

/** The identity of the plan in force. */
export async function planInForce(bucket: Bucket, packageSet: string): Promise<string> {
  const ages = { present: FRESH_MS, absent: FRESH_MS };
  return (await readCurrent(bucket, planPointer(packageSet), ages))?.plan ?? NO_PLAN;
}
