/**
 * Image records: what is stored of an image, for all its platforms. The record contains the config;
 * its manifests are encoded from the record again (compose/texts.ts), and its profile layers are
 * composed again from the records of its packages.
 */
import * as v from "valibot";
import { byName } from "./by-name.ts";
import {
  DescriptorSchema,
  OriginNamesSchema,
  PlanIdSchema,
  RECORD_FORMAT,
  RevisionSchema,
  ShortTextSchema,
  SYSTEMS,
  type System,
  SystemSchema,
} from "./fields.ts";
import { MAX_LAYERS } from "./package-record.ts";

/** Largest config of an image, bytes: ten times that of 120 layers with long names. */
const MAX_CONFIG_BYTES = 2 ** 20;

/** Longest reason, characters: a Warning shows a quarter of it. */
export const MAX_REASON = 4_000;

/** An image for one system. */
const SystemImageSchema = v.strictObject({
  /** How it was composed: the level of each package, by name. */
  levels: byName(v.string(), v.number()),
  /** The config blob. */
  config: v.pipe(v.string(), v.maxLength(MAX_CONFIG_BYTES)),
  /** Bottom first; the last is the profile layer. */
  layers: v.pipe(
    v.array(v.strictObject({ ...DescriptorSchema.entries, zstd: v.optional(DescriptorSchema) })),
    v.minLength(1),
    v.maxLength(MAX_LAYERS),
  ),
  annotations: v.record(v.string(), v.string()),
  /** What the package set says about the requested names (PackageRecord.warning). */
  warnings: v.optional(v.array(ShortTextSchema)),
});
export type SystemImage = v.InferOutput<typeof SystemImageSchema>;

/**
 * Why there is no image for a system and never will be at this revision: a package does not exist
 * there, or Nix refuses to evaluate it.
 */
const AbsenceSchema = v.strictObject({
  message: v.pipe(v.string(), v.maxLength(MAX_REASON)),
});

/** At least one system has an image. */
export const ImageRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: ShortTextSchema,
  revision: RevisionSchema,
  plan: PlanIdSchema,
  /** All origins that the packages of its images rest on. */
  origins: OriginNamesSchema,
  images: v.pipe(
    v.record(SystemSchema, SystemImageSchema),
    v.check((images) => Object.keys(images).length > 0, "a record has an image"),
  ),
  without: v.record(SystemSchema, AbsenceSchema),
});
export type ImageRecord = v.InferOutput<typeof ImageRecordSchema>;

/** The systems for which a record has an image, in the order of SYSTEMS. */
export const systemsOf = ({ images }: Pick<ImageRecord, "images">): System[] =>
  SYSTEMS.filter((system) => images[system] !== undefined);

/** Whether a record knows about a system: that there is an image for it, or that there is none. */
export const isKnown = ({ images, without }: ImageRecord, system: System): boolean =>
  images[system] !== undefined || without[system] !== undefined;
