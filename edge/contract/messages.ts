/**
 * The channel between an origin and the edge: JSON text messages over one WebSocket that the origin
 * opens to `wss://EDGE/farm/connect`.
 *
 *   origin → edge   hello, status, accepted, refused, log, done, failed, revision, tags, bye
 *   edge → origin   welcome, job, settled, repeat, cancel, follow
 *
 * What an origin needs of the bucket while it works on a job, it asks the edge for
 * (bucket-requests.ts). A request has an id that the origin chose, and one answer with that id:
 *
 *   upload   may I store these blobs?            → uploads: a signed PUT for each that is absent
 *   layers   what were these layers packed to?   → layers: their records, and which blobs are there
 *   read     where is this blob (layer plan)?    → url: a signed GET
 *                                                → error, in place of any of these
 *
 * What is missing is an item: a tag to resolve, a package to publish, or the index of a package set
 * (the names of its attributes). A job is the batch of items that an origin is given under one
 * lease; `done` has one result for each of its items, in their order (items.ts).
 *
 * The origin also sends the bare text PING; the runtime answers PONG without waking the Farm object
 * (Durable Objects auto-response), so an idle farm hibernates. Silence for LEASE_SECONDS (no PING,
 * no message), a lost connection or `refused` gives a job to another origin (schedule.ts). An
 * origin keeps the results of a job until the edge says `settled` or `cancel`; after a lost
 * connection it names the job in `hello.running` and sends them again, and it does so on `repeat`,
 * by which the edge says that its bucket did not take them.
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

/** Of which both ends must have the same. */
export const PROTOCOL_VERSION = 5;
/**
 * What the edge says of itself in `welcome`: the fraction counts the messages of this version that
 * edges have come to understand since, and origins send them to those alone.
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
/** An origin that was silent for this long has lost its jobs, seconds: three missed pings. */
export const LEASE_SECONDS = 60;
/**
 * Longest message, characters; a Durable Object takes 32 MiB. Anything longer is a blob named by
 * digest.
 */
export const MAX_MESSAGE = 16 * 2 ** 20;
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
     * Both are compared with the edge's. The id is part of every key; the label tells apart sets
     * that share an id and resolve tags differently, such as two channels of nixpkgs. Neither holds
     * a path or credentials (package-set.ts), so a directory at another place is the same set.
     */
    packageSet: v.strictObject({ id: text(1_000), label: text(1_000) }),
    /** Tags that it has resolved already. */
    revisions: v.pipe(
      v.array(v.strictObject({ tag: TagSchema, revision: RevisionSchema })),
      v.maxLength(100),
    ),
    /** Jobs it is still working on from before the connection was lost. */
    running: v.pipe(v.array(JobIdSchema), v.maxLength(1_000)),
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
  v.strictObject({ type: v.literal("accepted"), job: JobIdSchema }),
  /** It does not take the job, or hands it back (SIGTERM): another origin should do it. */
  v.strictObject({ type: v.literal("refused"), job: JobIdSchema, message: text(2_000) }),
  /** What the job writes, while it is followed. `first`: number of the first line, from 0. */
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
  /** The tags that the package set has: to be shown. Sent to edges of TAGS_PROTOCOL on. */
  v.strictObject({ type: v.literal("tags"), tags: TagNamesSchema }),
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
  }),
  /** One tag, packages of one revision, system and plan, or indexes of one revision and system. */
  v.strictObject({
    type: v.literal("job"),
    job: JobIdSchema,
    items: v.pipe(v.array(ItemSchema), v.minLength(1), v.maxLength(MAX_ITEMS)),
    /** What the edge's log calls the build that wants them, for the origin's log. */
    trace: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_. -]{1,200}$/))),
  }),
  /**
   * The results of the job have arrived and were dealt with (published, or refused and given away):
   * the origin may forget it.
   */
  v.strictObject({ type: v.literal("settled"), job: JobIdSchema }),
  /** The edge's bucket did not take the results: send them again in a while. No attempt is lost. */
  v.strictObject({ type: v.literal("repeat"), job: JobIdSchema }),
  /** This origin's results are not wanted any more: stop the job and forget it. */
  v.strictObject({ type: v.literal("cancel"), job: JobIdSchema }),
  /**
   * `on`: somebody follows the log, so send it, beginning with the lines that are kept; false:
   * stop.
   */
  v.strictObject({ type: v.literal("follow"), job: JobIdSchema, on: v.boolean() }),
  ...BucketAnswerSchema.options,
]);
export type FromEdge = v.InferOutput<typeof FromEdgeSchema>;
