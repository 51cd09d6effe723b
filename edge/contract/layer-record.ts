/**
 * Layers that have been made, and what an origin states of each: one statement for a layer's gzip
 * blob, and one for the zstd blob of the same tar, which may be made much later.
 */
import * as v from "valibot";
import {
  BytesSchema,
  DescriptorSchema,
  DigestSchema,
  KeySchema,
  ShortTextSchema,
  SignatureSchema,
  MAX_VOUCHES,
  VouchSchema,
} from "./fields.ts";

/**
 * One store path in the blob of a small part: `name` is its file name below /nix/store, `size` its
 * compressed bytes (one or more gzip members) and `tarSize` the uncompressed ones. The trees of a
 * blob follow each other without gaps.
 */
const TreeSchema = v.strictObject({
  name: v.pipe(v.string(), v.maxLength(255), v.regex(/^[0-9a-z]{32}-[0-9a-zA-Z+\-._?=]+$/)),
  size: BytesSchema,
  tarSize: BytesSchema,
});
export type Tree = v.InferOutput<typeof TreeSchema>;
/** Most store paths in a small part. */
const MAX_TREES = 10_000;

/**
 * A layer that has been made and is in the bucket. `key`: hash of its sorted store paths and NAR
 * hashes, see `layerKey`. `digest`, `size`: of the gzip blob. `diffId`: digest of the tar (OCI
 * config.md). `zstd`: the same tar as a zstd blob, where the origin makes those.
 */
export const LayerSchema = v.strictObject({
  key: KeySchema,
  digest: DigestSchema,
  size: BytesSchema,
  diffId: DigestSchema,
  zstd: v.optional(DescriptorSchema),
  /** For small parts only: the blob is not a layer, but store paths to append to one. */
  trees: v.optional(v.pipe(v.array(TreeSchema), v.minLength(1), v.maxLength(MAX_TREES))),
});
export type Layer = v.InferOutput<typeof LayerSchema>;

/**
 * The members of a blob: each is compressed by itself and holds `tarBytes` of the tar, the last one
 * the rest. `sizes`: compressed bytes of each, in order, so that a reader can start at any of them.
 */
const MembersSchema = v.strictObject({
  tarBytes: v.pipe(v.number(), v.integer(), v.minValue(1)),
  sizes: v.pipe(v.array(BytesSchema), v.maxLength(2 ** 20)),
});

export const CODECS = ["gzip", "zstd"] as const;
export type Codec = (typeof CODECS)[number];

const statement = {
  key: KeySchema,
  codec: v.picklist(CODECS),
  digest: DigestSchema,
  size: BytesSchema,
  /** Digest of the tar, whatever compressed it. */
  diffId: DigestSchema,
  trees: LayerSchema.entries.trees,
  /** Everything that decides the compressed bytes: `libdeflate 1.14, level 5`. */
  compressor: ShortTextSchema,
  members: v.optional(MembersSchema),
};

/** What an origin states about a blob that it made of a layer and uploaded. */
export const LayerStatementSchema = v.strictObject(statement);
export type LayerStatement = v.InferOutput<typeof LayerStatementSchema>;

/** A statement as its origin sends it. */
export const SignedLayerSchema = v.strictObject({
  statement: LayerStatementSchema,
  signature: SignatureSchema,
});
export type SignedLayer = v.InferOutput<typeof SignedLayerSchema>;

/**
 * Who vouches for a layer. `statement`: what this origin signed instead, when its compressor made
 * another blob of the same contents.
 */
const LayerVouchSchema = v.strictObject({
  ...VouchSchema.entries,
  statement: v.optional(LayerStatementSchema),
});

/**
 * A statement as stored, by layer key and codec: the first that was made, since other compressors
 * make other bytes of the same layer.
 */
export const LayerRecordSchema = v.strictObject({
  ...statement,
  signed: v.pipe(v.array(LayerVouchSchema), v.minLength(1), v.maxLength(MAX_VOUCHES)),
});
/** Whether two blobs of a layer have the same contents, whatever compressed them. */
export const sameContent = (a: LayerStatement, b: LayerStatement): boolean =>
  a.key === b.key && layerContent(a) === layerContent(b);

/** A text that is equal for two blobs with the same contents. */
export const layerContent = ({ diffId, trees = [] }: LayerStatement): string =>
  [diffId, ...trees.map(({ name, tarSize }) => `${name} ${tarSize}`)].join("\n");

export type LayerRecord = v.InferOutput<typeof LayerRecordSchema>;
