/**
 * Package records: what an origin states about a package, and what the edge adds: the layers of its
 * parts, and all origins that the record rests on.
 */
import * as v from "valibot";
import {
  ComponentSchema,
  type Descriptor,
  DescriptorSchema,
  KeySchema,
  MAX_VOUCHES,
  OriginNamesSchema,
  PlanIdSchema,
  RECORD_FORMAT,
  RevisionSchema,
  ShortTextSchema,
  StorePathSchema,
  SystemSchema,
  VouchSchema,
} from "./fields.ts";
import { LayerSchema } from "./layer-record.ts";

/**
 * Docker's overlay drivers mount at most 127 layers. This leaves a margin for images built on top
 * (`FROM`), and includes the profile layer.
 */
export const MAX_LAYERS = 120;
/** Most levels a record may list; layer plans have three. */
export const MAX_LEVELS = 8;
/** A closure has at most this many parts over all its levels. */
export const MAX_PARTS = 2_000;
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_PARTS));

/**
 * A part of a package's closure at some level, made or not. `rank`: the position of its layer in an
 * image, highest first, then by key. The plan alone decides it, so it is the same in every package
 * that has the part.
 */
const PartSchema = v.strictObject({
  key: KeySchema,
  rank: v.pipe(v.number(), v.finite(), v.minValue(0)),
  /**
   * Present when the plan finds the part too small for a layer: its NAR bytes. It is appended to
   * the profile layer.
   */
  small: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});
export type Part = v.InferOutput<typeof PartSchema>;

/** Longest listing that is kept in a package's record, bytes: most are shorter. */
export const MAX_LISTING_TEXT = 4_096;

const level = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1));
const layers = v.pipe(v.array(LayerSchema), v.minLength(1), v.maxLength(MAX_LAYERS));

/**
 * What an origin states about one package. `levels[n]` lists the parts (indexes into `parts`) of
 * the closure at level n, finest first; a level with more than MAX_LAYERS parts is an empty list
 * and cannot be used. `level`: the one whose layers are made.
 */
export const PackageStatementSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: ShortTextSchema,
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  name: ComponentSchema,
  /**
   * The attribute that the name found, in Nix's spelling: `ImageMagick` for imagemagick, `_7zz` for
   * 7zz.
   */
  attribute: ShortTextSchema,
  pname: ShortTextSchema,
  version: ShortTextSchema,
  description: v.optional(ShortTextSchema),
  /** Name of the file in the package's /bin that runs by default; only when that file exists. */
  mainProgram: v.optional(v.pipe(v.string(), v.regex(/^[^/\0]{1,255}$/))),
  /** A warning of the package set about this name, mostly that it is deprecated. */
  warning: v.optional(ShortTextSchema),
  storePath: StorePathSchema,
  /** NAR bytes of the whole closure. */
  closureSize: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** The file listing of storePath, see listing.ts. */
  listing: DescriptorSchema,
  /** Every store path of the closure and where it came from, see closure.ts. */
  closure: DescriptorSchema,
  /**
   * Whether the C library of the closure has the locale C.UTF-8; absent when the closure has no C
   * library.
   */
  utf8: v.optional(v.boolean()),
  parts: v.pipe(v.array(PartSchema), v.minLength(1), v.maxLength(MAX_PARTS)),
  levels: v.pipe(
    v.array(v.pipe(v.array(index), v.maxLength(MAX_LAYERS))),
    v.minLength(1),
    v.maxLength(MAX_LEVELS),
  ),
  level,
});
export type PackageStatement = v.InferOutput<typeof PackageStatementSchema>;

/**
 * Who vouches for a package. `closure`: the closure that this origin signed instead, when its Nix
 * states something else about where the same store paths came from.
 */
const PackageVouchSchema = v.strictObject({
  ...VouchSchema.entries,
  closure: v.optional(DescriptorSchema),
});
export type PackageVouch = v.InferOutput<typeof PackageVouchSchema>;

/**
 * Everything that the edge needs to put one package into any image. `layers` are the made layers of
 * level `level`; those of another level are in a LevelRecord, once an image has needed them.
 */
export const PackageRecordSchema = v.strictObject({
  ...PackageStatementSchema.entries,
  /**
   * Contents of the blob `listing`, if short, so that composing an image need not read the blob.
   */
  listingText: v.optional(v.pipe(v.string(), v.maxLength(MAX_LISTING_TEXT))),
  layers,
  origins: OriginNamesSchema,
  signed: v.pipe(v.array(PackageVouchSchema), v.minLength(1), v.maxLength(MAX_VOUCHES)),
});
export type PackageRecord = v.InferOutput<typeof PackageRecordSchema>;

/**
 * The statement that the origins of a record signed; with `vouch`, the one that this origin signed.
 */
export function statementOf(record: PackageRecord, vouch?: PackageVouch): PackageStatement {
  const {
    listingText: _listingText,
    layers: _layers,
    origins: _origins,
    signed: _signed,
    ...statement
  } = record;
  return vouch?.closure === undefined ? statement : { ...statement, closure: vouch.closure };
}

/** The made layers of one more level of a package; the edge takes them from layer records. */
export const LevelRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  level,
  layers,
  origins: OriginNamesSchema,
});
export type LevelRecord = v.InferOutput<typeof LevelRecordSchema>;

/** Every blob that a record names. */
export function blobsOf(record: PackageRecord | LevelRecord): Descriptor[] {
  const layers = record.layers.flatMap((layer) => (layer.zstd ? [layer, layer.zstd] : [layer]));
  const blobs = "listing" in record ? [record.listing, record.closure, ...layers] : layers;
  return blobs.map(({ digest, size }) => ({ digest, size }));
}
