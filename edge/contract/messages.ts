/**
 * The channel between an origin and the edge: JSON text messages over one WebSocket that the origin
 * opens to `wss://EDGE/farm/connect`.
 *
 *   origin → edge   hello, accepted, refused, log, done, failed, revision, bye
 *   edge → origin   welcome, job, settled, cancel
 *
 * The origin also sends the bare text PING; the runtime answers PONG without waking the Farm object
 * (Durable Objects auto-response), so an idle farm hibernates. A job is leased: silence for
 * LEASE_SECONDS (no PING, no message), a lost connection or `refused` gives it to another origin
 * (schedule.ts). An origin keeps what became of a job until the edge says `settled` or `cancel`;
 * after a lost connection it names the job in `hello.running` and says it again.
 */
import * as v from "valibot";
import { TAG_PATTERN } from "./names.ts";
import {
  ComponentSchema,
  DescriptorSchema,
  LevelRecordSchema,
  MAX_LEVELS,
  PackageRecordSchema,
  PlanIdSchema,
  RevisionSchema,
  SystemSchema,
} from "./records.ts";

export const PROTOCOL_VERSION = 1;
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
/** Longest life of the token that opens the channel, seconds. */
export const TOKEN_SECONDS = 60;

/** Why the edge closes a socket; 4000–4999 are free for applications (RFC 6455, section 7.4.2). */
export const CLOSE = {
  /** A message that the schema refuses. */
  protocol: 4400,
  /** Its key was taken out of ORIGIN_KEYS. */
  unauthorized: 4401,
  /** Silent for LEASE_SECONDS. */
  lost: 4408,
  /** It serves another package set, or speaks another version of the protocol. */
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

/**
 * Why a piece of work cannot be done, by kind; the edge turns it into an HTTP answer (DESIGN.md,
 * Errors).
 */
export const FailureSchema = v.strictObject({
  /**
   * unknown: no such package or tag; refused: evaluation refuses (broken, unfree, insecure);
   * failed: the build failed; timeout: NIX_TIMEOUT; error: the origin's own trouble (disk, bucket),
   * worth another origin.
   */
  reason: v.picklist(["unknown", "refused", "failed", "timeout", "error"]),
  /** One line for a person. */
  message: text(2_000),
  /** For unknown names: the nearest that exist, best first. */
  nearest: v.optional(v.pipe(v.array(text(255)), v.maxLength(10))),
  /** Last lines of Nix's output. */
  log: v.optional(v.pipe(v.array(text(2_000)), v.maxLength(100))),
  /** The whole log (bounded), a text blob in the bucket. */
  logBlob: v.optional(DescriptorSchema),
});
export type Failure = v.InferOutput<typeof FailureSchema>;

const level = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1));

/**
 * One package wanted: its record, or the layers of one more level of a package whose record exists.
 */
export const ItemSchema = v.strictObject({ name: ComponentSchema, level: v.optional(level) });
export type Item = v.InferOutput<typeof ItemSchema>;

export const ResolveJobSchema = v.strictObject({
  kind: v.literal("resolve"),
  packageSet: text(1_000),
  tag,
});
export const PublishJobSchema = v.strictObject({
  kind: v.literal("publish"),
  packageSet: text(1_000),
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  items: v.pipe(v.array(ItemSchema), v.minLength(1), v.maxLength(MAX_ITEMS)),
});
export type ResolveJob = v.InferOutput<typeof ResolveJobSchema>;
export type PublishJob = v.InferOutput<typeof PublishJobSchema>;
export type Work = ResolveJob | PublishJob;

/** What became of one item of a publish job. */
export const OutcomeSchema = v.variant("kind", [
  v.strictObject({
    kind: v.literal("package"),
    name: ComponentSchema,
    record: PackageRecordSchema,
  }),
  v.strictObject({ kind: v.literal("level"), name: ComponentSchema, record: LevelRecordSchema }),
  v.strictObject({
    kind: v.literal("failure"),
    name: ComponentSchema,
    level: v.optional(level),
    failure: FailureSchema,
  }),
]);
export type Outcome = v.InferOutput<typeof OutcomeSchema>;

export const ResultSchema = v.variant("kind", [
  v.strictObject({ kind: v.literal("resolved"), revision: RevisionSchema }),
  v.strictObject({
    kind: v.literal("published"),
    outcomes: v.pipe(v.array(OutcomeSchema), v.minLength(1), v.maxLength(MAX_ITEMS)),
  }),
]);
export type Result = v.InferOutput<typeof ResultSchema>;

export const FromOriginSchema = v.variant("type", [
  v.strictObject({
    type: v.literal("hello"),
    protocol: v.number(),
    /** Version of the origin's Firn and of its Nix, for people. */
    version: text(100),
    nix: text(100),
    systems: v.pipe(v.array(SystemSchema), v.minLength(1), v.maxLength(8)),
    /** Jobs it works on at once. */
    slots: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1_000)),
    packageSet: text(1_000),
    /** Tags that it has resolved already. */
    revisions: v.pipe(v.array(v.strictObject({ tag, revision: RevisionSchema })), v.maxLength(100)),
    /** Jobs it is still working on from before the connection was lost. */
    running: v.pipe(v.array(jobId), v.maxLength(1_000)),
  }),
  v.strictObject({ type: v.literal("accepted"), job: jobId }),
  /** It will not do the job, or hands it back (SIGTERM): another origin should. */
  v.strictObject({ type: v.literal("refused"), job: jobId, message: text(2_000) }),
  v.strictObject({
    type: v.literal("log"),
    job: jobId,
    lines: v.pipe(v.array(text(2_000)), v.maxLength(100)),
  }),
  v.strictObject({ type: v.literal("done"), job: jobId, result: ResultSchema }),
  v.strictObject({ type: v.literal("failed"), job: jobId, failure: FailureSchema }),
  /** A mutable package set changed: the tag now means another revision. */
  v.strictObject({ type: v.literal("revision"), tag, revision: RevisionSchema }),
  /** Give it no more jobs; it closes when the last is done. */
  v.strictObject({ type: v.literal("bye") }),
]);
export type FromOrigin = v.InferOutput<typeof FromOriginSchema>;

export const FromEdgeSchema = v.variant("type", [
  v.strictObject({
    type: v.literal("welcome"),
    protocol: v.number(),
    origin: text(255),
    zstd: v.boolean(),
  }),
  v.strictObject({
    type: v.literal("job"),
    job: jobId,
    work: v.variant("kind", [ResolveJobSchema, PublishJobSchema]),
  }),
  /**
   * What became of the job has arrived and was dealt with (published, or refused and given away):
   * the origin may forget it.
   */
  v.strictObject({ type: v.literal("settled"), job: jobId }),
  /** Nobody wants it any more from this origin: stop and forget it. */
  v.strictObject({ type: v.literal("cancel"), job: jobId }),
]);
export type FromEdge = v.InferOutput<typeof FromEdgeSchema>;
