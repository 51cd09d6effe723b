/**
 * What the edge stores and composes from. Origins build statements of these types; the edge
 * validates them again before it makes records of them (an origin may be wrong or malicious),
 * signed by the origins that vouch (signatures.ts).
 */
import * as v from "valibot";
import type { Digest } from "./digest.ts";
import {
  OriginNameSchema,
  PlanIdSchema,
  RevisionSchema,
  ShortTextSchema,
  TimeSchema,
} from "./fields.ts";

export * from "./fields.ts";
export * from "./image-record.ts";
export * from "./index-record.ts";
export * from "./layer-record.ts";
export * from "./package-record.ts";

/**
 * What an origin published contradicts itself, or what it was asked for. `detail` says where: the
 * package, the layer, the listing.
 */
export class InvalidRecord extends Error {
  override readonly name = "InvalidRecord";
  readonly detail: Readonly<Record<string, string>>;

  constructor(message: string, detail: Readonly<Record<string, string>> = {}) {
    super(message);
    this.detail = detail;
  }
}

/** A blob is not what its digest says, or cannot be read: what is in the bucket may be damaged. */
export class DamagedBlob extends InvalidRecord {
  readonly blob: Digest;

  constructor(message: string, blob: Digest, detail: Readonly<Record<string, string>> = {}) {
    super(message, detail);
    this.blob = blob;
  }
}

/** What a tag means, and which origin said so, when. (Older records do not name the origin.) */
export const TagRecordSchema = v.strictObject({
  revision: RevisionSchema,
  resolvedAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type TagRecord = v.InferOutput<typeof TagRecordSchema>;

/** A revision that belongs to its set: `tag` meant it at `seenAt`, as the origin said. */
export const RevisionRecordSchema = v.strictObject({
  tag: ShortTextSchema,
  seenAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type RevisionRecord = v.InferOutput<typeof RevisionRecordSchema>;

/** What `latest` meant last on a day, at `seenAt`, as the origin said. */
export const DayRecordSchema = v.strictObject({
  revision: RevisionSchema,
  seenAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type DayRecord = v.InferOutput<typeof DayRecordSchema>;

/** The layer plan in force for a package set. `by`: who made it; origins' machines make none. */
export const PlanPointerSchema = v.object({ plan: PlanIdSchema, by: v.optional(ShortTextSchema) });
export type PlanPointer = v.InferOutput<typeof PlanPointerSchema>;
