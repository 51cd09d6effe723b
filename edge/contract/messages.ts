/**
 * The channel between an origin and the edge: JSON text messages over one WebSocket that the origin
 * opens to `wss://EDGE/farm/connect`.
 *
 *   origin → edge   hello, status, accepted, refused, log, done, failed, revision, bye
 *   edge → origin   welcome, job, settled, repeat, cancel, follow
 *
 * While an origin works on a job it asks the edge for what it needs of the bucket, of which it knows
 * nothing itself. A request has an id of the origin's own, and one answer with that id:
 *
 *   upload   may I store these blobs?             → uploads: a signed PUT for each that is not there
 *   layers   what were these layers packed to?    → layers: the layer records, and which blobs are there
 *   read     where is this blob (a layer plan)?   → url: a signed GET
 *                                                 → error, in place of any of these
 *
 * What is missing is an item: a tag to resolve, a package to publish, or the index of a package set
 * (the names of its attributes). A job is the batch of
 * items that an origin is given under one lease; `done` has one result for each of its items, in
 * their order.
 *
 * The origin also sends the bare text PING; the runtime answers PONG without waking the Farm object
 * (Durable Objects auto-response), so an idle farm hibernates. Silence for LEASE_SECONDS (no PING,
 * no message), a lost connection or `refused` gives a job to another origin (schedule.ts). An
 * origin keeps the results of a job until the edge says `settled` or `cancel`; after a lost
 * connection it names the job in `hello.running` and sends them again, and it does so on `repeat`,
 * by which the edge says that its bucket did not take them.
 */
import * as v from "valibot";
import { LISTING, OCI_LAYER_GZIP, OCI_LAYER_ZSTD, PACKAGE_INDEX, TEXT } from "./media-types.ts";
import { CacheKeySchema } from "./binary-cache.ts";
import { TAG_PATTERN } from "./names.ts";
import {
  AttributePathSchema,
  ComponentSchema,
  DescriptorSchema,
  DigestSchema,
  IndexStatementSchema,
  KeySchema,
  LayerRecordSchema,
  MAX_LAYERS,
  MAX_LEVELS,
  OriginNameSchema,
  PackageStatementSchema,
  PlanIdSchema,
  RevisionSchema,
  SignatureSchema,
  SignedLayerSchema,
  SystemSchema,
} from "./records.ts";

export const PROTOCOL_VERSION = 4;
export const CONNECT_PATH = "/farm/connect";
export const PING = "ping";
export const PONG = "pong";
/** An origin pings this often, seconds. */
export const PING_SECONDS = 20;
/** An origin that was silent for this long has lost its jobs, seconds: three missed pings. */
export const LEASE_SECONDS = 60;
/**
 * Longest message, characters; a Durable Object takes 32 MiB. Anything longer is a blob named by
 * digest.
 */
export const MAX_MESSAGE = 16 * 2 ** 20;
/** Most packages in one job: the most components a name has, and the meta-packages. */
export const MAX_ITEMS = 80;
/**
 * Tags that an origin resolves at once, beside the jobs of its slots: who waits for a tag does not
 * wait for builds.
 */
export const TAG_SLOTS = 2;
/** Longest life of the token that opens the channel, seconds. */
export const TOKEN_SECONDS = 60;

/** Why the edge closes a socket; 4000–4999 are free for applications (RFC 6455, section 7.4.2). */
export const CLOSE = {
  /** A message that the schema refuses. */
  protocol: 4400,
  /** Its key was taken out of ORIGINS. */
  unauthorized: 4401,
  /** Silent for LEASE_SECONDS. */
  lost: 4408,
  /**
   * It serves another package set, speaks another version of the protocol, has no way to store, or
   * its builds are not sandboxed well enough for this edge.
   */
  mismatch: 4409,
  /** A newer connection of the same name took its place. */
  replaced: 4410,
} as const;

const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
const jobId = text(100);
const tag = v.pipe(
  v.string(),
  v.regex(TAG_PATTERN, "a tag is at most 128 letters, digits, _ . and -"),
);

/** Why an item cannot be had, by kind; the edge turns it into an HTTP answer. */
export const FailureSchema = v.strictObject({
  /**
   * Final, whichever origin tries:
   * - unknown: no such package or tag
   * - refused: evaluation refuses (broken, unfree, insecure)
   * - failed: the build fails
   * - unfit: it builds, but no layer can hold what it makes
   * - timeout: it takes longer than an origin gives it (NIX_TIMEOUT, EVAL_TIMEOUT)
   * - limit: it needs more than an origin gives it (memory, closure)
   *
   * For another origin to try:
   * - unknown-revision: this origin does not have the revision (no attempt)
   * - lacking: it lacks system features that a derivation needs (`features`; no attempt)
   * - error: the origin's own trouble (disk, bucket; an attempt)
   */
  reason: v.picklist([
    "unknown",
    "refused",
    "failed",
    "unfit",
    "timeout",
    "limit",
    "unknown-revision",
    "lacking",
    "error",
  ]),
  /** One line for a person. */
  message: text(2_000),
  /** For lacking: Nix's names of the features. */
  features: v.optional(v.pipe(v.array(text(64)), v.maxLength(32))),
  /** For unknown names: the nearest that exist, best first. */
  nearest: v.optional(v.pipe(v.array(text(255)), v.maxLength(10))),
  /** Last lines of Nix's output. */
  log: v.optional(v.pipe(v.array(text(2_000)), v.maxLength(100))),
  /** The whole log (bounded), a text blob in the bucket. */
  logBlob: v.optional(DescriptorSchema),
});
export type Failure = v.InferOutput<typeof FailureSchema>;

const level = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1));

/** A tag to resolve. */
export const TagItemSchema = v.strictObject({
  kind: v.literal("tag"),
  packageSet: text(1_000),
  tag,
});
/**
 * A package to publish: its record or, with `level`, the layers of one more level of a package
 * whose record exists.
 */
export const PackageItemSchema = v.strictObject({
  kind: v.literal("package"),
  packageSet: text(1_000),
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  name: ComponentSchema,
  level: v.optional(level),
});
/** The attribute names to publish: of the package set, or of the nested set at `path`. */
export const IndexItemSchema = v.strictObject({
  kind: v.literal("index"),
  packageSet: text(1_000),
  revision: RevisionSchema,
  system: SystemSchema,
  path: AttributePathSchema,
});
export const ItemSchema = v.variant("kind", [TagItemSchema, PackageItemSchema, IndexItemSchema]);
export type TagItem = v.InferOutput<typeof TagItemSchema>;
export type PackageItem = v.InferOutput<typeof PackageItemSchema>;
export type IndexItem = v.InferOutput<typeof IndexItemSchema>;
export type Item = v.InferOutput<typeof ItemSchema>;

/**
 * Layers that the origin has made: those of the result's parts that it found no record of. One that
 * several results of a job need stands in one of them.
 */
const layers = v.pipe(v.array(SignedLayerSchema), v.maxLength(2 * MAX_LAYERS));

/** What became of one item, in the origin's words and with its signature (signatures.ts). */
export const ResultSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("revision"), revision: RevisionSchema }),
  v.strictObject({
    kind: v.literal("package"),
    statement: PackageStatementSchema,
    signature: SignatureSchema,
    layers,
  }),
  v.strictObject({ kind: v.literal("level"), level, layers }),
  v.strictObject({
    kind: v.literal("index"),
    statement: IndexStatementSchema,
    signature: SignatureSchema,
  }),
  v.strictObject({ kind: v.literal("failure"), failure: FailureSchema }),
]);
export type Result = v.InferOutput<typeof ResultSchema>;
export const ResultsSchema = v.pipe(v.array(ResultSchema), v.minLength(1), v.maxLength(MAX_ITEMS));

/**
 * Largest blob that one signed PUT stores, bytes: R2 takes 5 GiB less 5 MiB, S3 5 GiB. An origin
 * with credentials of its own stores larger ones in parts.
 */
export const MAX_UPLOAD_BYTES = 5 * 2 ** 30 - 5 * 2 ** 20;
/** Most blobs, or layers, that one request names. */
export const MAX_REQUESTED = 100;
const requestId = text(40);
const several = <T>(entry: v.GenericSchema<unknown, T>) =>
  v.pipe(v.array(entry), v.minLength(1), v.maxLength(MAX_REQUESTED));

/** What an origin stores: layers, listings, indexes and logs. Nothing that a browser would run. */
export const UPLOAD_TYPES = [OCI_LAYER_GZIP, OCI_LAYER_ZSTD, LISTING, PACKAGE_INDEX, TEXT] as const;
export const UploadSchema = v.strictObject({
  ...DescriptorSchema.entries,
  contentType: v.picklist(UPLOAD_TYPES),
});
/** A blob that an origin wants to store. */
export type Upload = v.InferOutput<typeof UploadSchema>;

const UploadRequestSchema = v.strictObject({
  type: v.literal("upload"),
  id: requestId,
  job: jobId,
  blobs: several(UploadSchema),
});
const LayersRequestSchema = v.strictObject({
  type: v.literal("layers"),
  id: requestId,
  job: jobId,
  keys: several(KeySchema),
  /** Whether the zstd blobs are asked for as well. */
  zstd: v.boolean(),
});
const ReadRequestSchema = v.strictObject({
  type: v.literal("read"),
  id: requestId,
  job: jobId,
  digest: DigestSchema,
});
/** A file of the binary cache that an origin wants to store; for no job, for it is stored afterwards. */
export const CacheFileSchema = v.strictObject({
  key: CacheKeySchema,
  ...DescriptorSchema.entries,
});
export type CacheFile = v.InferOutput<typeof CacheFileSchema>;
const CacheStoreRequestSchema = v.strictObject({
  type: v.literal("cache-store"),
  id: requestId,
  file: CacheFileSchema,
});
const CacheReadRequestSchema = v.strictObject({
  type: v.literal("cache-read"),
  id: requestId,
  key: CacheKeySchema,
});
/** What an origin asks for on behalf of its Nix. */
export type CacheRequest = v.InferOutput<
  typeof CacheStoreRequestSchema | typeof CacheReadRequestSchema
>;
/** What an origin asks for while it works on `job`. */
export type BucketRequest = v.InferOutput<
  typeof UploadRequestSchema | typeof LayersRequestSchema | typeof ReadRequestSchema
>;

/** A PUT request, signed for one key, size, content and type, or what needs none. */
export const GrantSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("present") }),
  v.strictObject({
    kind: v.literal("put"),
    url: text(2_000),
    /** All of them must be sent as they are. */
    headers: v.record(text(100), text(2_000)),
  }),
]);
export type Grant = v.InferOutput<typeof GrantSchema>;

/** A record, and whether its blob is in the bucket. */
const recorded = <T>(record: v.GenericSchema<unknown, T>) =>
  v.optional(v.strictObject({ record, present: v.boolean() }));
/** What is known of a layer, by compressor; nothing of one that was never packed. */
export const KnownLayerSchema = v.strictObject({
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
    /** Whether the same request may be answered in a while. */
    passing: v.boolean(),
  }),
]);
/** The answer to a request. */
export type BucketAnswer = v.InferOutput<typeof BucketAnswerSchema>;

export const FromOriginSchema = v.variant("type", [
  v.strictObject({
    type: v.literal("hello"),
    protocol: v.number(),
    /** Version of the origin's Firn and of its Nix, for people. */
    version: text(100),
    nix: text(100),
    /** Whether its builds run in Nix's sandbox, and whether that is known to leak. */
    sandbox: v.boolean(),
    nixVulnerable: v.boolean(),
    systems: v.pipe(v.array(SystemSchema), v.minLength(1), v.maxLength(8)),
    /** Jobs it works on at once. */
    slots: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000)),
    /** Nix's system features: `big-parallel`, `kvm`. */
    features: v.optional(v.pipe(v.array(text(64)), v.maxLength(32))),
    /**
     * Both are compared with the edge's. The id is part of every key; the label tells apart what
     * shares an id and resolves tags differently: two channels of nixpkgs. Neither has a path or
     * credentials in it (package-set.ts), so a directory that lies elsewhere is the same set.
     */
    packageSet: v.strictObject({ id: text(1_000), label: text(1_000) }),
    /** Tags that it has resolved already. */
    revisions: v.pipe(v.array(v.strictObject({ tag, revision: RevisionSchema })), v.maxLength(100)),
    /** Jobs it is still working on from before the connection was lost. */
    running: v.pipe(v.array(jobId), v.maxLength(1_000)),
    /** Whether it writes blobs with credentials of its own, and asks for no upload. */
    ownBucket: v.boolean(),
  }),
  /**
   * Whether it takes jobs from now on, and why not (its disk is full), after `welcome` and whenever
   * that changes; jobs that it has go on. An origin that says nothing takes jobs.
   */
  v.strictObject({
    type: v.literal("status"),
    accepting: v.boolean(),
    reason: v.optional(text(500)),
    /** Free on the disk of its Nix store. */
    freeBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
  v.strictObject({ type: v.literal("accepted"), job: jobId }),
  /** It will not do the job, or hands it back (SIGTERM): another origin should. */
  v.strictObject({ type: v.literal("refused"), job: jobId, message: text(2_000) }),
  /** What the job writes, while it is followed. `first`: number of the first line, from 0. */
  v.strictObject({
    type: v.literal("log"),
    job: jobId,
    first: v.pipe(v.number(), v.integer(), v.minValue(0)),
    lines: v.pipe(v.array(text(2_000)), v.maxLength(100)),
  }),
  /** One result for each item of the job, in their order. */
  v.strictObject({ type: v.literal("done"), job: jobId, results: ResultsSchema }),
  /** The same failure for every item of the job. */
  v.strictObject({ type: v.literal("failed"), job: jobId, failure: FailureSchema }),
  /** A mutable package set changed: the tag now means another revision. */
  v.strictObject({ type: v.literal("revision"), tag, revision: RevisionSchema }),
  /** Give it no more jobs; it closes when the last is done. */
  v.strictObject({ type: v.literal("bye") }),
  UploadRequestSchema,
  LayersRequestSchema,
  ReadRequestSchema,
  CacheStoreRequestSchema,
  CacheReadRequestSchema,
]);
export type FromOrigin = v.InferOutput<typeof FromOriginSchema>;

export const FromEdgeSchema = v.variant("type", [
  v.strictObject({
    type: v.literal("welcome"),
    protocol: v.number(),
    origin: text(255),
    zstd: v.boolean(),
    /** Public keys (`x` of the JWK) of the origins whose layer records count, by name. */
    origins: v.record(OriginNameSchema, v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/))),
  }),
  /** One tag, packages of one revision, system and plan, or indexes of one revision and system. */
  v.strictObject({
    type: v.literal("job"),
    job: jobId,
    items: v.pipe(v.array(ItemSchema), v.minLength(1), v.maxLength(MAX_ITEMS)),
    /** What the edge's log calls the build that wants them, for the origin's log. */
    trace: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_. -]{1,200}$/))),
  }),
  /**
   * The results of the job have arrived and were dealt with (published, or refused and given away):
   * the origin may forget it.
   */
  v.strictObject({ type: v.literal("settled"), job: jobId }),
  /** The edge's bucket did not take the results: send them again in a while. No attempt is lost. */
  v.strictObject({ type: v.literal("repeat"), job: jobId }),
  /** Nobody wants it any more from this origin: stop and forget it. */
  v.strictObject({ type: v.literal("cancel"), job: jobId }),
  /** Somebody follows what the job writes: send it, from what is kept on. `on` false: no more. */
  v.strictObject({ type: v.literal("follow"), job: jobId, on: v.boolean() }),
  ...BucketAnswerSchema.options,
]);
export type FromEdge = v.InferOutput<typeof FromEdgeSchema>;
