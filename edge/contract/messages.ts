/**
 * The channel between an origin and the edge: JSON text messages over one WebSocket that the origin
 * opens to `wss://EDGE/farm/connect`.
 *
 *   origin → edge   hello, status, accepted, refused, log, done, failed, revision, tags, bye
 *   edge → origin   welcome, job, settled, repeat, cancel, follow
 *
 * Whatever an origin needs of the bucket during a job, it requests from the edge
 * (bucket-requests.ts). A request has an id that the origin chose, and one answer with that id:
 *
 *   upload   may I store these blobs?            → uploads: a signed PUT for each that is absent
 *   layers   what were these layers packed to?   → layers: their records, and which blobs are there
 *   read     where is this blob (layer plan)?    → url: a signed GET
 *                                                → error, in place of any of these
 *
 * An item is something that is missing: a tag to resolve, a package to publish, or the index of a
 * package set (its attribute names). A job is the batch of items that an origin is given under one
 * lease; `done` has one result for each of its items, in their order (items.ts).
 *
 * The origin also sends the bare text PING; the runtime answers PONG without waking the Farm object
 * (Durable Objects auto-response), so an idle farm hibernates. Silence for LEASE_SECONDS (no PING,
 * no message), a lost connection or `refused` gives a job to another origin (schedule.ts). An
 * origin keeps the results of a job until the edge says `settled` or `cancel`. After a lost
 * connection it names the job in `hello.running` and sends the results again; it also does so on
 * `repeat`, by which the edge says that its bucket failed to take them.
 */
import * as v from "valibot";
import {
  BucketAnswerSchema,
  CacheReadRequestSchema,
  CacheStoreRequestSchema,
  LayersRequestSchema,
  ReadRequestSchema,
  UploadRequestSchema,
} from "./bucket-requests.ts";
import {
  FailureSchema,
  ItemSchema,
  JobIdSchema,
  MAX_ITEMS,
  ResultsSchema,
  TagSchema,
  text,
} from "./items.ts";
import { RevisionSchema, SystemSchema } from "./records.ts";
import { TagNamesSchema } from "./tag-names.ts";

/** Both ends must have the same. */
export const PROTOCOL_VERSION = 5;
/**
 * What the edge tells of itself in `welcome`. The fraction counts messages that were added to this
 * version later, which origins send only to edges that understand them.
 *
 *   5.1   tags
 */
export const EDGE_PROTOCOL = 5.1;
/** The first edges that understand `tags`. */
export const TAGS_PROTOCOL = 5.1;
export const CONNECT_PATH = "/farm/connect";
export const PING = "ping";
export const PONG = "pong";
/** An origin pings this often, seconds. */
export const PING_SECONDS = 20;
/** An origin that is silent for this long loses its jobs, seconds: three missed pings. */
export const LEASE_SECONDS = 60;
/**
 * Longest message, characters; a Durable Object takes 32 MiB. Anything longer is a blob that a
 * message names by digest.
 */
export const MAX_MESSAGE = 16 * 2 ** 20;
/**
 * Tags that an origin resolves at once, beside the jobs in its slots: a pull that waits for a tag
 * does not wait for builds.
 */
export const TAG_SLOTS = 2;
/** Longest life of the token that opens the channel, seconds. */
export const TOKEN_SECONDS = 60;

/** Why the edge closes a socket; 4000–4999 are free for applications (RFC 6455, section 7.4.2). */
export const CLOSE = {
  /** A message does not match the schema. */
  protocol: 4400,
  /** Its key was removed from ORIGINS. */
  unauthorized: 4401,
  /** Silent for LEASE_SECONDS, or no hello soon after connecting. */
  lost: 4408,
  /**
   * It serves another package set, speaks another version of the protocol, has no way to store
   * blobs, or its builds are not sandboxed well enough for this edge.
   */
  mismatch: 4409,
  /** A newer connection under the same name replaced it. */
  replaced: 4410,
} as const;

export const FromOriginSchema = v.variant("type", [
  v.strictObject({
    type: v.literal("hello"),
    protocol: v.number(),
    /** Versions of the origin's Firn and of its Nix, for people. */
    version: text(100),
    nix: text(100),
    /** Whether its builds run in Nix's sandbox, and whether that sandbox is known to leak. */
    sandbox: v.boolean(),
    nixVulnerable: v.boolean(),
    systems: v.pipe(v.array(SystemSchema), v.minLength(1), v.maxLength(8)),
    /** Jobs that it runs at once. */
    slots: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000)),
    /** Nix's system features: `big-parallel`, `kvm`. */
    features: v.optional(v.pipe(v.array(text(64)), v.maxLength(32))),
    /**
     * Both are compared with the edge's. The id is part of every key; the label distinguishes sets
     * that share an id but resolve tags differently, such as two channels of nixpkgs. Neither
     * contains a path or credentials (package-set.ts), so a directory at another path is the same
     * set.
     */
    packageSet: v.strictObject({ id: text(1_000), label: text(1_000) }),
    /** Tags that it has already resolved. */
    revisions: v.pipe(
      v.array(v.strictObject({ tag: TagSchema, revision: RevisionSchema })),
      v.maxLength(100),
    ),
    /** Jobs that it is still running from before the connection was lost. */
    running: v.pipe(v.array(JobIdSchema), v.maxLength(1_000)),
    /** Whether it writes blobs with credentials of its own, without signed uploads. */
    ownBucket: v.boolean(),
  }),
  /**
   * Whether it takes jobs from now on, and if not, why (its disk is full). Sent after `welcome` and
   * when it changes; jobs that it has continue. An origin that says nothing takes jobs.
   */
  v.strictObject({
    type: v.literal("status"),
    accepting: v.boolean(),
    reason: v.optional(text(500)),
    /** Free bytes on the disk of its Nix store. */
    freeBytes: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
  }),
  v.strictObject({ type: v.literal("accepted"), job: JobIdSchema }),
  /** It does not take the job, or hands it back (SIGTERM), for another origin to do. */
  v.strictObject({ type: v.literal("refused"), job: JobIdSchema, message: text(2_000) }),
  /** Output of the job, while it is followed. `first`: number of the first line, from 0. */
  v.strictObject({
    type: v.literal("log"),
    job: JobIdSchema,
    first: v.pipe(v.number(), v.integer(), v.minValue(0)),
    lines: v.pipe(v.array(text(2_000)), v.maxLength(100)),
  }),
  /** One result for each item of the job, in their order. */
  v.strictObject({ type: v.literal("done"), job: JobIdSchema, results: ResultsSchema }),
  /** The same failure for every item of the job. */
  v.strictObject({ type: v.literal("failed"), job: JobIdSchema, failure: FailureSchema }),
  /** A mutable package set changed: the tag now means another revision. */
  v.strictObject({ type: v.literal("revision"), tag: TagSchema, revision: RevisionSchema }),
  /** The tags of the package set, for display. Sent only to edges from TAGS_PROTOCOL on. */
  v.strictObject({ type: v.literal("tags"), tags: TagNamesSchema }),
  /** It takes no more jobs, and disconnects when the last is done. */
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
  }),
  /** One tag, packages of one revision, system and plan, or indexes of one revision and system. */
  v.strictObject({
    type: v.literal("job"),
    job: JobIdSchema,
    items: v.pipe(v.array(ItemSchema), v.minLength(1), v.maxLength(MAX_ITEMS)),
    /** The edge's name of the build that wants the items, for the origin's log. */
    trace: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_. -]{1,200}$/))),
  }),
  /**
   * The results have arrived and were dealt with (published, or refused and the items given to
   * another origin): the origin may forget the job.
   */
  v.strictObject({ type: v.literal("settled"), job: JobIdSchema }),
  /**
   * The edge's bucket failed to take the results: send them again later. This is not a failed
   * attempt.
   */
  v.strictObject({ type: v.literal("repeat"), job: JobIdSchema }),
  /** The results are no longer wanted: stop the job and forget it. */
  v.strictObject({ type: v.literal("cancel"), job: JobIdSchema }),
  /**
   * `on`: somebody is following the log: send it, beginning with the lines that are kept. False:
   * stop.
   */
  v.strictObject({ type: v.literal("follow"), job: JobIdSchema, on: v.boolean() }),
  ...BucketAnswerSchema.options,
]);
export type FromEdge = v.InferOutput<typeof FromEdgeSchema>;
