/**
 * What the edge stores and composes from. Origins build statements of these types; the edge
 * validates them again before it makes records of them (an origin may be wrong or malicious), signed
 * by the origins that vouch (signatures.ts).
 */
import * as v from "valibot";
import {
  DescriptorSchema,
  OriginNameSchema,
  OriginNamesSchema,
  PlanIdSchema,
  RECORD_FORMAT,
  RevisionSchema,
  ShortTextSchema,
  SystemSchema,
  TimeSchema,
} from "./fields.ts";

export * from "./fields.ts";
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

/** The layer plan in force for a package set. `by`: who made it; origins' machines make none. */
export const PlanPointerSchema = v.object({ plan: PlanIdSchema, by: v.optional(ShortTextSchema) });
export type PlanPointer = v.InferOutput<typeof PlanPointerSchema>;

/**
 * A composed image. `manifests`: digest by manifest media type; the manifests and the config are
 * blobs.
 */
export const ImageRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: ShortTextSchema,
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  manifests: v.record(v.string(), DescriptorSchema),
  /** How it was composed: the level of each package, by name. */
  levels: v.record(v.string(), v.number()),
  origins: OriginNamesSchema,
});
export type ImageRecord = v.InferOutput<typeof ImageRecordSchema>;
