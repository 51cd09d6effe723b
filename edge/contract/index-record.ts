/** The attribute names of a package set, as an origin lists them. */
import * as v from "valibot";
import { MAX_ABOUT_BYTES } from "./package-about.ts";
import {
  DigestSchema,
  RECORD_FORMAT,
  RevisionSchema,
  ShortTextSchema,
  SystemSchema,
  VouchesSchema,
} from "./fields.ts";

/** Most names in a package index: nixpkgs has 25,000 at its top level. */
export const MAX_INDEX_NAMES = 100_000;
/** Largest package index, bytes of JSON: nixpkgs' top level takes 450 kB. */
export const MAX_INDEX_BYTES = 2 * 2 ** 20;
/** Deepest nested set that has an index: nesting may be endless. */
export const MAX_INDEX_DEPTH = 3;
/** Longest reason why a nested set has no index, characters. */
export const MAX_REFUSED = 1_000;
/**
 * The attributes that lead to a nested set, in Nix's spelling; empty for the package set itself.
 */
export const AttributePathSchema = v.pipe(
  v.array(
    v.pipe(
      v.string(),
      v.regex(/^[A-Za-z0-9_-]{1,255}$/, "an attribute has only letters, digits, _ and -"),
    ),
  ),
  v.maxLength(MAX_INDEX_DEPTH),
);
/**
 * Every attribute name of the package set, or of the nested set at `path`, at a revision. `names`:
 * a blob, a sorted JSON list in Nix's spelling (package-index.ts). With `refused` there are none: a
 * nested set that does not evaluate has no package that does, and this is Nix's reason.
 */
export const IndexStatementSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: ShortTextSchema,
  revision: RevisionSchema,
  system: SystemSchema,
  path: AttributePathSchema,
  names: v.strictObject({
    digest: DigestSchema,
    size: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(MAX_INDEX_BYTES)),
  }),
  refused: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_REFUSED))),
  /** Versions and descriptions, where the set has a list of them: a blob (package-about.ts). */
  about: v.optional(
    v.strictObject({
      digest: DigestSchema,
      size: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_ABOUT_BYTES)),
    }),
  ),
});
export type IndexStatement = v.InferOutput<typeof IndexStatementSchema>;
export const IndexRecordSchema = v.strictObject({
  ...IndexStatementSchema.entries,
  signed: VouchesSchema,
});
export type IndexRecord = v.InferOutput<typeof IndexRecordSchema>;
