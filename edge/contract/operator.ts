/**
 * The operator API, which `firn farm`, `drain`, `rest` and `revoke` use: JSON under /api/farm, for
 * accounts with `operator`.
 *
 *   GET    /api/farm                                   how the farm is (farm-state.ts)
 *   POST   /api/farm/origins/<name>/drain              gives it no more jobs
 *   DELETE /api/farm/origins/<name>/drain              gives it jobs again
 *   POST   /api/farm/origins/<name>/rest?seconds=…     gives it none for so long; 0 ends a rest
 *   POST   /api/farm/origins/<name>/revoke             ends its connections; none is let in again
 *   DELETE /api/farm/origins/<name>/revoke             lets it in again
 *   GET    /api/farm/origins/<name>/records?kind=…     one page of what rests on it
 *   DELETE /api/farm/origins/<name>/records?kind=…     the same page, withdrawn
 */
import * as v from "valibot";
import { OriginNameSchema, OriginNamesSchema, TimeSchema } from "./fields.ts";

export const OPERATOR_PATH = "/api/farm";
/** The same for Prometheus. */
export const METRICS_PATH = "/metrics";
/** Longest rest that an operator may give, seconds: a week. What is to last longer is drained. */
export const MAX_REST_SECONDS = 604_800;

/** In the order in which they are withdrawn: what is answered first goes first. */
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
  /** For people: the packages of an image, else what its key says. */
  what: v.string(),
  writtenAt: TimeSchema,
  /** Whether the origin said it itself; else it is made of what the origin said. */
  own: v.boolean(),
  origins: OriginNamesSchema,
});
export type OriginRecord = v.InferOutput<typeof OriginRecordSchema>;

export const OriginRecordsPageSchema = v.object({
  found: v.array(OriginRecordSchema),
  /** Records that were looked at. */
  looked: v.number(),
  /** What asks for the next page: the last key of this one; none after the last. */
  after: v.optional(v.string()),
});
export type OriginRecordsPage = v.InferOutput<typeof OriginRecordsPageSchema>;

export const RevokedSchema = v.object({
  origin: OriginNameSchema,
  /** Whether it was connected. */
  connected: v.boolean(),
  /** When, by the edge's clock, milliseconds since 1970. */
  at: TimeSchema,
  /** For how long what was withdrawn may still be in some isolate's memory, milliseconds. */
  memoryMs: v.number(),
});
export const LiftedSchema = v.object({ origin: OriginNameSchema, lifted: v.boolean() });

export const DrainedSchema = v.object({
  origin: OriginNameSchema,
  drained: v.boolean(),
  /** False: it was so already. */
  changed: v.boolean(),
  /** Jobs that it has, and finishes. */
  jobs: v.number(),
});
export const RestedSchema = v.object({
  origin: OriginNameSchema,
  seconds: v.number(),
  jobs: v.number(),
});
