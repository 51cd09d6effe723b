/**
 * The layer plan in force: a pointer in the bucket, at plans/<set>.json. Changing it changes every
 * key, so images that were pulled before stay as they are.
 */
import type { Bucket } from "./bucket.ts";
import { planPointer, readRecord } from "./records.ts";

/** Before a set's first plan. */
const NO_PLAN = "none";
/** How long a pointer is taken as read, milliseconds: a new plan comes perhaps once a day. */
const FRESH_MS = 60_000;

/** By package set; a Worker serves one. */
const known = new Map<string, PlanInForce>();

export interface PlanInForce {
  readonly plan: string;
  /** Until when to take it as read, milliseconds since 1970. */
  readonly until: number;
}

/** While the pointer is absent or damaged, the plan that the isolate has seen last stays in force. */
export async function planInForce(bucket: Bucket, packageSet: string): Promise<PlanInForce> {
  const last = known.get(packageSet);
  if (last !== undefined && Date.now() < last.until) return last;
  const pointer = await readRecord(bucket, planPointer(packageSet));
  const plan = pointer?.plan ?? last?.plan ?? NO_PLAN;
  const inForce = { plan, until: Date.now() + FRESH_MS };
  known.set(packageSet, inForce);
  return inForce;
}
