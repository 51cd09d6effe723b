/**
 * Garbage collection of the bucket: what `firn gc` asks and the edge answers. The command asks for
 * one step after the other until the run is done; a run that was broken off goes on where it was.
 *
 *   POST /api/farm/gc?unused=<s>&grace=<s>&delete=on   begins a run, or joins the one under way
 *   POST /api/farm/gc/<run>                            the next step of it
 */
import * as v from "valibot";
import { TimeSchema } from "./fields.ts";

/**
 * Kinds of objects that are collected, in the order in which a run looks at them: those that refer
 * come before those that they name.
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
/** `GET`: images that are pinned; `POST` and `DELETE` with name and digest: one more, or less. */
export const PINS_PATH = "/api/farm/pins";
export const PinsSchema = v.object({
  pins: v.array(v.object({ name: v.string(), digest: v.string() })),
});

const DAY = 86_400;
/**
 * Shortest and longest time in which an unused object is kept, seconds: pulls are known by the day.
 */
export const MIN_UNUSED = DAY;
export const MAX_UNUSED = 3_650 * DAY;
/**
 * Shortest and longest time for which an object is condemned before it is deleted, seconds. The
 * shortest is longer than any memory of an isolate. It is shorter than some builds: a blob that
 * such a build wanted to reuse is made again.
 */
export const MIN_GRACE = 600;
export const MAX_GRACE = 30 * DAY;
export const UNUSED = 90 * DAY;
export const GRACE = DAY;

const seconds = (min: number, max: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(min), v.maxValue(max));
export const GcTermsSchema = v.strictObject({
  /** What nobody has pulled for so long is unused, seconds. */
  unused: seconds(MIN_UNUSED, MAX_UNUSED),
  /** For how long an object must have been known to be unused before it is deleted, seconds. */
  grace: seconds(MIN_GRACE, MAX_GRACE),
  /** False: nothing is changed, and what would be deleted is counted. */
  delete: v.boolean(),
});
export type GcTerms = v.InferOutput<typeof GcTermsSchema>;

const CountSchema = v.object({ objects: v.number(), bytes: v.number() });
export type Count = v.InferOutput<typeof CountSchema>;
export const NOTHING: Count = { objects: 0, bytes: 0 };

/** Of one kind. */
const KindCountsSchema = v.object({
  /** In use: pinned, pulled, young, or named by what is in use. */
  kept: CountSchema,
  /** Not in use, and not deleted so far: a run after the grace deletes it. */
  unused: CountSchema,
  /** Deleted; or, where nothing is deleted, what would have been. */
  deleted: CountSchema,
});
export type KindCounts = v.InferOutput<typeof KindCountsSchema>;

export const GcProgressSchema = v.object({
  run: v.string(),
  terms: GcTermsSchema,
  startedAt: TimeSchema,
  /** Since when pulls have been recorded: until then everything counts as pulled at that time. */
  since: TimeSchema,
  done: v.boolean(),
  /** What it looks at now. */
  at: v.nullable(v.picklist(GC_KINDS)),
  /** The next step has work after this, milliseconds. */
  waitMs: v.number(),
  kinds: v.record(v.picklist(GC_KINDS), KindCountsSchema),
});
export type GcProgress = v.InferOutput<typeof GcProgressSchema>;

/**
 * An image as pulls of it are recorded: the key of its name, and the part of its digest that paths
 * have (digestHint).
 */
export const pulledImage = (nameKey: string, digestHint: string): string =>
  `${nameKey}.${digestHint}`;
