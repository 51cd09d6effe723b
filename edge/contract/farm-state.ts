/**
 * The answer of `GET /api/farm`: everything for operators; for others, where FARM_PUBLIC is on,
 * only the counts in PublicFarmSchema.
 */
import * as v from "valibot";
import { FAILURE_REASONS } from "./items.ts";
import { OriginNameSchema, SystemSchema, TimeSchema } from "./fields.ts";

/**
 * States of an origin. When several apply, the first is shown: an operator has revoked it, or
 * drained it; it is not connected; its connection was just lost, and its jobs are kept for it; it
 * is stopping; its disk is full; it failed too often, or an operator rests it; it takes jobs.
 */
export const ORIGIN_STATES = [
  "revoked",
  "drained",
  "gone",
  "waiting",
  "leaving",
  "full",
  "rested",
  "connected",
] as const;
export type OriginStateName = (typeof ORIGIN_STATES)[number];

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const seconds = v.pipe(v.number(), v.minValue(0));
/** Resolving a tag does not wait for builds. */
export const LANES = ["tags", "packages"] as const;
const byLane = <T extends v.GenericSchema>(schema: T) =>
  v.object({ tags: schema, packages: schema });

/** How an item can end: made, failed (items.ts), or an attempt came to nothing. */
export const ITEM_RESULTS = ["done", ...FAILURE_REASONS, "no-origin", "lost"] as const;
const ItemKindSchema = v.picklist(["tag", "index", "package"]);
const ItemResultSchema = v.picklist(ITEM_RESULTS);

const EndedItemSchema = v.object({
  kind: ItemKindSchema,
  /** The tag, package or nested set; empty for the package set itself. */
  name: v.string(),
  /** Null for a tag. */
  system: v.nullable(SystemSchema),
  result: ItemResultSchema,
  /** Why it failed; empty when it was made. */
  message: v.string(),
});
export type EndedItem = v.InferOutput<typeof EndedItemSchema>;

/** Items that ended together. */
const EndedJobSchema = v.object({
  at: TimeSchema,
  /** Null: no origin had the job. */
  origin: v.nullable(OriginNameSchema),
  /** Since the origin was given the job; null when it gave no results. */
  seconds: v.nullable(seconds),
  items: v.array(EndedItemSchema),
});
export type EndedJob = v.InferOutput<typeof EndedJobSchema>;

/** Counted since the farm was made. */
const TallySchema = v.object({
  /** How many items ended. */
  items: v.array(v.object({ kind: ItemKindSchema, result: ItemResultSchema, count })),
  /** Number of jobs with results, and the time they took in total. */
  jobs: byLane(v.object({ count, seconds })),
  /** How often an item was started without coming to an end. */
  attemptsLost: count,
});
export type Tally = v.InferOutput<typeof TallySchema>;

const OriginViewSchema = v.object({
  name: OriginNameSchema,
  state: v.picklist(ORIGIN_STATES),
  /** Why it takes no jobs, if it said so. */
  reason: v.nullable(v.string()),
  connected: v.boolean(),
  /** When it was last heard from; null: never, or it has left. */
  seen: v.nullable(TimeSchema),
  /** End of its rest; null when it is not resting. */
  restUntil: v.nullable(TimeSchema),
  /** Whether it gets one job at a time until one is done. */
  onTrial: v.boolean(),
  /** Number of jobs that it failed in a row. */
  failures: count,
  /** Jobs that it can run at once, not counting tags. */
  slots: count,
  /** Jobs that it has now. */
  jobs: byLane(count),
  systems: v.array(SystemSchema),
  features: v.array(v.string()),
  /** Null when it did not say. */
  version: v.nullable(v.string()),
  nix: v.nullable(v.string()),
  sandbox: v.nullable(v.boolean()),
  freeBytes: v.nullable(v.number()),
});
export type OriginView = v.InferOutput<typeof OriginViewSchema>;

/** The tally of a farm that has done nothing. */
export const NO_TALLY: Tally = {
  items: [],
  jobs: { tags: { count: 0, seconds: 0 }, packages: { count: 0, seconds: 0 } },
  attemptsLost: 0,
};

/** The one region, where REGIONS is not set. */
export const WORLD = "world";

const PublicRegionSchema = v.object({
  region: v.string(),
  /** False: its farm does not answer, and its numbers are 0. */
  reachable: v.boolean(),
  origins: v.object({ connected: count }),
  /** Items that wait for an origin. */
  queued: byLane(count),
  /** Jobs that origins have now. */
  jobs: byLane(count),
});
export const PublicFarmSchema = v.object({ at: TimeSchema, regions: v.array(PublicRegionSchema) });

const RegionSchema = v.object({
  ...PublicRegionSchema.entries,
  /** Origins by state, and the slots of those that take jobs. */
  origins: v.object({
    connected: count,
    slots: count,
    states: v.record(v.picklist(ORIGIN_STATES), count),
  }),
  tally: TallySchema,
  /** Bytes that origins were allowed to upload since 00:00 UTC. */
  uploadedToday: count,
});
export type RegionView = v.InferOutput<typeof RegionSchema>;

const inRegion = { region: v.string() };
export const FarmSchema = v.object({
  at: TimeSchema,
  regions: v.array(RegionSchema),
  origins: v.array(v.object({ ...inRegion, ...OriginViewSchema.entries })),
  /** The latest jobs all of whose items were made, newest first. */
  builds: v.array(v.object({ ...inRegion, ...EndedJobSchema.entries })),
  /** The latest other jobs, newest first. */
  failures: v.array(v.object({ ...inRegion, ...EndedJobSchema.entries })),
});
export type FarmView = v.InferOutput<typeof FarmSchema>;
