/**
 * Items (tags to resolve, packages and indexes to publish) and their results: what an origin made,
 * or why it failed.
 */
import * as v from "valibot";
import { TAG_PATTERN } from "./names.ts";
import {
  AttributePathSchema,
  ComponentSchema,
  DescriptorSchema,
  IndexStatementSchema,
  MAX_LAYERS,
  MAX_LEVELS,
  PackageStatementSchema,
  PlanIdSchema,
  RevisionSchema,
  SignatureSchema,
  SignedLayerSchema,
  SystemSchema,
} from "./records.ts";

/** Most packages in one job: the most components a name has, and the meta-packages. */
export const MAX_ITEMS = 80;

/** Text of at most `max` characters. */
export const text = (max: number) => v.pipe(v.string(), v.maxLength(max));
export const JobIdSchema = text(100);
export const TagSchema = v.pipe(
  v.string(),
  v.regex(TAG_PATTERN, "a tag is at most 128 letters, digits, _ . and -"),
);

/** FailureSchema says what each means. */
export const FAILURE_REASONS = [
  "unknown",
  "refused",
  "failed",
  "unfit",
  "timeout",
  "limit",
  "unknown-revision",
  "lacking",
  "error",
] as const;

/** Why an item failed, by kind; the edge turns it into an HTTP answer. */
export const FailureSchema = v.strictObject({
  /**
   * Final, whichever origin tries:
   * - unknown: there is no such package or tag
   * - refused: Nix refuses to evaluate it (broken, unfree, insecure)
   * - failed: the build fails
   * - unfit: it builds, but a layer cannot hold the result
   * - timeout: it takes longer than an origin allows (NIX_TIMEOUT, EVAL_TIMEOUT)
   * - limit: it needs more than an origin allows (memory, closure)
   *
   * For another origin to try:
   * - unknown-revision: this origin does not have the revision (not counted as an attempt)
   * - lacking: it lacks system features that a derivation needs (`features`; not counted)
   * - error: trouble of the origin's own (disk, bucket; counted as an attempt)
   */
  reason: v.picklist(FAILURE_REASONS),
  /** One line for a person. */
  message: text(2_000),
  /** With lacking: Nix's names of the features. */
  features: v.optional(v.pipe(v.array(text(64)), v.maxLength(32))),
  /** With unknown: the nearest names that exist, best first. */
  nearest: v.optional(v.pipe(v.array(text(255)), v.maxLength(10))),
  /** Last lines of Nix's output. */
  log: v.optional(v.pipe(v.array(text(2_000)), v.maxLength(100))),
  /** The whole log, up to a limit: a text blob in the bucket. */
  logBlob: v.optional(DescriptorSchema),
});
export type Failure = v.InferOutput<typeof FailureSchema>;

const level = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1));

/** A tag to resolve. */
const TagItemSchema = v.strictObject({
  kind: v.literal("tag"),
  packageSet: text(1_000),
  tag: TagSchema,
});
/**
 * A package to publish: its record; or, with `level`, the layers of one more level of a package
 * whose record exists.
 */
const PackageItemSchema = v.strictObject({
  kind: v.literal("package"),
  packageSet: text(1_000),
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  name: ComponentSchema,
  level: v.optional(level),
});
/** Attribute names to publish: of the package set, or of the nested set at `path`. */
const IndexItemSchema = v.strictObject({
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
 * Layers that the origin has made, because it found no record of them. A layer that several results
 * of a job need is in only one of them.
 */
const layers = v.pipe(v.array(SignedLayerSchema), v.maxLength(2 * MAX_LAYERS));

/** The result of one item, as the origin states and signs it (signatures.ts). */
const ResultSchema = v.variant("kind", [
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
