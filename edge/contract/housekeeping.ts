/**
 * Garbage collection of the bucket: what `firn gc` asks and the edge answers. The command asks for
 * one step after another until the run is done; an interrupted run continues where it was.
 *
 *   POST /api/farm/gc?unused=<s>&grace=<s>&delete=on   starts a run, or joins the one in progress
 *   POST /api/farm/gc/<run>                            takes its next step
 */
import * as v from "valibot";
import { TimeSchema } from "./fields.ts";

/**
 * Kinds of objects that are collected, in the order in which a run processes them: referring
 * objects come before those that they name.
 */
export const GC_KINDS = [
  "images",
  "packages",
  "indexes",
  "layers",
  "narinfos",
  "demand",
  "blobs",
  "nars",
] as const;
export type GcKind = (typeof GC_KINDS)[number];

export const GC_PATH = "/api/farm/gc";
/** `GET` lists the pinned images; `POST` and `DELETE` with name and digest pin and unpin one. */
export const PINS_PATH = "/api/farm/pins";
export const PinsSchema = v.object({
  pins: v.array(v.object({ name: v.string(), digest: v.string() })),
  /** To be sent back for the next page of a list; absent on the last one. */
  after: v.optional(v.string()),
});

const DAY = 86_400;
/**
 * Shortest and longest time that an unused object is kept, seconds: pulls are recorded by the day.
 */
export const MIN_UNUSED = DAY;
export const MAX_UNUSED = 3_650 * DAY;
/**
 * Shortest and longest time that an object stays condemned before it is deleted, seconds. The
 * shortest is longer than any isolate remembers an object, but shorter than some builds: a blob
 * that such a build wanted to reuse is made again.
 */
export const MIN_GRACE = 600;
export const MAX_GRACE = 30 * DAY;
export const UNUSED = 90 * DAY;
export const GRACE = DAY;

const seconds = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
export const GcTermsSchema = v.strictObject({
  /** What nobody has pulled for this long is unused, seconds. */
  unused: seconds(MIN_UNUSED, MAX_UNUSED),
  /** How long an object must have been known as unused before it is deleted, seconds. */
  grace: seconds(MIN_GRACE, MAX_GRACE),
  /** False: nothing is changed, only what would be deleted is counted. */
  delete: v.boolean(),
});
export type GcTerms = v.InferOutput<typeof GcTermsSchema>;

const CountSchema = v.object({ objects: v.number(), bytes: v.number() });
export type Count = v.InferOutput<typeof CountSchema>;
export const NOTHING: Count = { objects: 0, bytes: 0 };

/** Counts for one kind. */
const KindCountsSchema = v.object({
  /** In use: pinned, pulled, young, or named by what is in use. */
  kept: CountSchema,
  /** Not in use, but not deleted yet: a run after the grace period deletes it. */
  unused: CountSchema,
  /** Deleted; or, in a run that deletes nothing, what would have been. */
  deleted: CountSchema,
});
export type KindCounts = v.InferOutput<typeof KindCountsSchema>;

export const GcProgressSchema = v.object({
  run: v.string(),
  terms: GcTermsSchema,
  startedAt: TimeSchema,
  /** When pulls began to be recorded. Everything counts as pulled at that time. */
  since: TimeSchema,
  done: v.boolean(),
  /** The kind it is processing. */
  at: v.nullable(v.picklist(GC_KINDS)),
  /** Milliseconds until there is work for the next step. */
  waitMs: v.number(),
  kinds: v.record(v.picklist(GC_KINDS), KindCountsSchema),
});
export type GcProgress = v.InferOutput<typeof GcProgressSchema>;

/**
 * An image as its pulls are recorded: the key of its name, and the part of its digest that is in
 * paths (digestHint).
 */
export const pulledImage = (nameKey: string, digestHint: string): string =>
  `${nameKey}.${digestHint}`;
