/**
 * What the edge stores and composes from. Origins build statements of these types. The edge
 * validates them again (an origin may be wrong or malicious) before it makes records of them, which
 * the vouching origins have signed (signatures.ts).
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
 * What an origin published contradicts itself or the request. `detail` says where: the package, the
 * layer, the listing.
 */
export class InvalidRecord extends Error {
  override readonly name = "InvalidRecord";
  readonly detail: Readonly<Record<string, string>>;

  constructor(message: string, detail: Readonly<Record<string, string>> = {}) {
    super(message);
    this.detail = detail;
  }
}

/**
 * A blob does not match its digest, or cannot be parsed: the object in the bucket may be damaged.
 */
export class DamagedBlob extends InvalidRecord {
  readonly blob: Digest;

  constructor(message: string, blob: Digest, detail: Readonly<Record<string, string>> = {}) {
    super(message, detail);
    this.blob = blob;
  }
}

/** What a tag means, which origin said so, and when. (Older records do not name the origin.) */
export const TagRecordSchema = v.strictObject({
  revision: RevisionSchema,
  resolvedAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type TagRecord = v.InferOutput<typeof TagRecordSchema>;

/** A revision that belongs to its set: according to the origin, `tag` meant it at `seenAt`. */
export const RevisionRecordSchema = v.strictObject({
  tag: ShortTextSchema,
  seenAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type RevisionRecord = v.InferOutput<typeof RevisionRecordSchema>;

/** What `latest` last meant on a day, at `seenAt`, according to the origin. */
export const DayRecordSchema = v.strictObject({
  revision: RevisionSchema,
  seenAt: TimeSchema,
  origin: v.optional(OriginNameSchema),
});
export type DayRecord = v.InferOutput<typeof DayRecordSchema>;

/** The layer plan in force for a package set. `by`: who made it, never an origin. */
export const PlanPointerSchema = v.object({ plan: PlanIdSchema, by: v.optional(ShortTextSchema) });
export type PlanPointer = v.InferOutput<typeof PlanPointerSchema>;
