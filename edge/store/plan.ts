/**
 * The layer plan in force: a pointer in the bucket, at plans/<set>.json. Changing it changes every
 * key, so images that were pulled before stay as they are.
 */
import * as v from "valibot";
import { readJson } from "./read.ts";
import { planPath } from "../contract/keys.ts";
import { PlanIdSchema } from "../contract/records.ts";
import type { Registry } from "../pull/registry.ts";

const PointerSchema = v.object({ plan: PlanIdSchema });
/** Before a set's first plan. */
const NO_PLAN = "none";
/** How long a pointer is taken as read, milliseconds: a new plan comes perhaps once a day. */
const FRESH_MS = 60_000;

/** By package set; a Worker serves one. */
const known = new Map<string, PlanInForce>();

export interface PlanInForce {
  readonly plan: string;
  readonly until: number;
}

/** The plan's identity, and until when to take it as read, milliseconds since 1970. */
export async function planInForce({
  bucket,
  config: { packageSet },
}: Registry): Promise<PlanInForce> {
  const remembered = known.get(packageSet.id);
  if (remembered !== undefined && Date.now() < remembered.until) return remembered;
  const pointer = await readJson(bucket, planPath(packageSet.id));
  const plan = pointer === null ? NO_PLAN : v.parse(PointerSchema, pointer).plan;
  const inForce = { plan, until: Date.now() + FRESH_MS };
  known.set(packageSet.id, inForce);
  return inForce;
}
