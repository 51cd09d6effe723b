/**
 * Names of a package set's tags, as an origin lists them: the branches and tags of a git
 * repository. They are only shown (`tags/list`); what one of them means is asked of an origin when
 * somebody pulls it.
 */
import * as v from "valibot";
import { OriginNamesSchema, TimeSchema } from "./fields.ts";
import { TagSchema } from "./items.ts";

/**
 * Most names that an origin lists: nixpkgs has some 700. With 128 characters each they are 256 kB.
 */
export const MAX_TAG_NAMES = 2_000;

export const TagNamesSchema = v.pipe(v.array(TagSchema), v.maxLength(MAX_TAG_NAMES));

/** The stored list of a set; `origins`: those that listed these names. */
export const TagNamesRecordSchema = v.strictObject({
  tags: TagNamesSchema,
  listedAt: TimeSchema,
  origins: OriginNamesSchema,
});
export type TagNamesRecord = v.InferOutput<typeof TagNamesRecordSchema>;
