/**
 * The operator API, which `firn farm`, `drain`, `rest` and `revoke` use: JSON under /api/farm, for
 * accounts with `operator`.
 *
 *   GET    /api/farm                                   the farm's state (farm-state.ts)
 *   POST   /api/farm/origins/<name>/drain              gives it no more jobs
 *   DELETE /api/farm/origins/<name>/drain              gives it jobs again
 *   POST   /api/farm/origins/<name>/rest?seconds=…     gives it none for that long; 0 ends a rest
 *   POST   /api/farm/origins/<name>/revoke             ends its connections, and refuses new ones
 *   DELETE /api/farm/origins/<name>/revoke             lets it in again
 *   GET    /api/farm/origins/<name>/records?kind=…     one page of what rests on it
 *   DELETE /api/farm/origins/<name>/records?kind=…     the same page, withdrawn
 */
import * as v from "valibot";
import { OriginNameSchema, OriginNamesSchema, TimeSchema } from "./fields.ts";

export const OPERATOR_PATH = "/api/farm";
/** The farm's state for Prometheus. */
export const METRICS_PATH = "/metrics";
/** Longest rest that an operator may give, seconds: a week. For longer, drain the origin. */
export const MAX_REST_SECONDS = 604_800;

/** In the order in which they are withdrawn: those that answer pulls go first. */
export const ORIGIN_RECORD_KINDS = [
  "images",
  "packages",
  "indexes",
  "tags",
  "revisions",
  "layers",
  "plans",
] as const;
export type OriginRecordKind = (typeof ORIGIN_RECORD_KINDS)[number];

const OriginRecordSchema = v.object({
  kind: v.picklist(ORIGIN_RECORD_KINDS),
  key: v.string(),
  /** For people: the packages of an image, otherwise what its key says. */
  what: v.string(),
  writtenAt: TimeSchema,
  /** Whether the origin stated it; otherwise it was made from what the origin stated. */
  own: v.boolean(),
  origins: OriginNamesSchema,
});
export type OriginRecord = v.InferOutput<typeof OriginRecordSchema>;

export const OriginRecordsPageSchema = v.object({
  found: v.array(OriginRecordSchema),
  /** Number of records that were read. */
  looked: v.number(),
  /** Parameter for the next page: the last key of this one; absent on the last page. */
  after: v.optional(v.string()),
});
export type OriginRecordsPage = v.InferOutput<typeof OriginRecordsPageSchema>;

export const RevokedSchema = v.object({
  origin: OriginNameSchema,
  /** Whether it was connected. */
  connected: v.boolean(),
  /** The time by the edge's clock, milliseconds since 1970. */
  at: TimeSchema,
  /** How long a withdrawn record may still be in an isolate's memory, milliseconds. */
  memoryMs: v.number(),
});
export const LiftedSchema = v.object({ origin: OriginNameSchema, lifted: v.boolean() });

export const DrainedSchema = v.object({
  origin: OriginNameSchema,
  drained: v.boolean(),
  /** False: it already was in this state. */
  changed: v.boolean(),
  /** Jobs that it has and will finish. */
  jobs: v.number(),
});
export const RestedSchema = v.object({
  origin: OriginNameSchema,
  seconds: v.number(),
  jobs: v.number(),
});
