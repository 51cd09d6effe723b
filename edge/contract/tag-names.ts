/**
 * Names of a package set's tags, as an origin lists them: the branches and tags of a git
 * repository. They are only shown (`tags/list`): what one of them means, an origin is asked when
 * somebody pulls by it.
 */
import * as v from "valibot";
import { OriginNameSchema, TimeSchema } from "./fields.ts";
import { TagSchema } from "./items.ts";

/** Most names that an origin lists: nixpkgs has some 700. 128 characters each make 256 kB. */
export const MAX_TAG_NAMES = 2_000;

export const TagNamesSchema = v.pipe(v.array(TagSchema), v.maxLength(MAX_TAG_NAMES));

/** What the bucket has of a set, `origin`: who said so last. */
export const TagNamesRecordSchema = v.strictObject({
  tags: TagNamesSchema,
  listedAt: TimeSchema,
  origin: OriginNameSchema,
});
export type TagNamesRecord = v.InferOutput<typeof TagNamesRecordSchema>;
