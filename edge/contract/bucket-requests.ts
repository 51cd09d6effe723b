/** An origin's requests concerning the bucket, over the channel, and the edge's answers. */
import * as v from "valibot";
import { CacheKeySchema } from "./binary-cache.ts";
import { byName } from "./by-name.ts";
import { JobIdSchema, text } from "./items.ts";
import {
  CLOSURE,
  LISTING,
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  PACKAGE_ABOUT,
  PACKAGE_INDEX,
  TEXT,
} from "./media-types.ts";
import { OriginNameSchema } from "./fields.ts";
import { DescriptorSchema, DigestSchema, KeySchema, LayerRecordSchema } from "./records.ts";

/**
 * Largest blob that one signed PUT can store, bytes: R2 allows 5 GiB less 5 MiB, S3 5 GiB. An
 * origin with credentials of its own stores larger ones in parts.
 */
export const MAX_UPLOAD_BYTES = 5 * 2 ** 30 - 5 * 2 ** 20;
/** Most blobs, or layers, in one request. */
export const MAX_REQUESTED = 100;
const requestId = text(40);
const several = <T>(entry: v.GenericSchema<unknown, T>) =>
  v.pipe(v.array(entry), v.minLength(1), v.maxLength(MAX_REQUESTED));

/**
 * Content types that an origin may store: layers, listings, closures, indexes and logs. A browser
 * would run none of them.
 */
const UPLOAD_TYPES = [
  OCI_LAYER_GZIP,
  OCI_LAYER_ZSTD,
  LISTING,
  CLOSURE,
  PACKAGE_INDEX,
  PACKAGE_ABOUT,
  TEXT,
] as const;
const UploadSchema = v.strictObject({
  ...DescriptorSchema.entries,
  contentType: v.picklist(UPLOAD_TYPES),
});
/** A blob that an origin wants to store. */
export type Upload = v.InferOutput<typeof UploadSchema>;

export const UploadRequestSchema = v.strictObject({
  type: v.literal("upload"),
  id: requestId,
  job: JobIdSchema,
  blobs: several(UploadSchema),
});
export const LayersRequestSchema = v.strictObject({
  type: v.literal("layers"),
  id: requestId,
  job: JobIdSchema,
  keys: several(KeySchema),
  /** Whether it also asks for the zstd blobs. */
  zstd: v.boolean(),
});
export const ReadRequestSchema = v.strictObject({
  type: v.literal("read"),
  id: requestId,
  job: JobIdSchema,
  digest: DigestSchema,
});
/**
 * A file of the binary cache that an origin wants to store. It belongs to no job, because it is
 * stored after the job.
 */
const CacheFileSchema = v.strictObject({
  key: CacheKeySchema,
  ...DescriptorSchema.entries,
});
export type CacheFile = v.InferOutput<typeof CacheFileSchema>;
export const CacheStoreRequestSchema = v.strictObject({
  type: v.literal("cache-store"),
  id: requestId,
  file: CacheFileSchema,
});
export const CacheReadRequestSchema = v.strictObject({
  type: v.literal("cache-read"),
  id: requestId,
  key: CacheKeySchema,
});
/** Requests that an origin makes on behalf of its Nix. */
export type CacheRequest = v.InferOutput<
  typeof CacheStoreRequestSchema | typeof CacheReadRequestSchema
>;
/** Requests that an origin makes while it works on `job`. */
export type BucketRequest = v.InferOutput<
  typeof UploadRequestSchema | typeof LayersRequestSchema | typeof ReadRequestSchema
>;

/** A PUT request, signed for one key, size, content and type; or `present`: no upload is needed. */
const GrantSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("present") }),
  v.strictObject({
    kind: v.literal("put"),
    url: text(2_000),
    /** All of them must be sent unchanged. */
    headers: v.record(text(100), text(2_000)),
  }),
]);
export type Grant = v.InferOutput<typeof GrantSchema>;

/** Public keys (`x` of the JWK) by origin name. */
const KeysSchema = byName(OriginNameSchema, v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/)));
/**
 * A record, whether its blob is in the bucket, and the public keys of its signers that are
 * currently valid.
 */
const recorded = <T>(record: v.GenericSchema<unknown, T>) =>
  v.optional(v.strictObject({ record, present: v.boolean(), keys: KeysSchema }));
/** The records of a layer, by compressor; empty for one that was never packed. */
const KnownLayerSchema = v.strictObject({
  gzip: recorded(LayerRecordSchema),
  zstd: recorded(LayerRecordSchema),
});
export type KnownLayer = v.InferOutput<typeof KnownLayerSchema>;

export const BucketAnswerSchema = v.variant("type", [
  /** In the order of the request. */
  v.strictObject({ type: v.literal("uploads"), id: requestId, grants: several(GrantSchema) }),
  /** In the order of the request. */
  v.strictObject({ type: v.literal("layers"), id: requestId, layers: several(KnownLayerSchema) }),
  v.strictObject({ type: v.literal("url"), id: requestId, url: text(2_000) }),
  v.strictObject({
    type: v.literal("error"),
    id: requestId,
    message: text(2_000),
    /** Whether the failure may pass, so that the request should be repeated. */
    passing: v.boolean(),
  }),
]);
/** The answer to a request. */
export type BucketAnswer = v.InferOutput<typeof BucketAnswerSchema>;
