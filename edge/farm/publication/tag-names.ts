/**
 * The tags that origins list of a package set, in the bucket: one record, written when it changes.
 */
import { MAX_TAG_NAMES } from "../../contract/tag-names.ts";
import type { Bucket } from "../../store/bucket.ts";
import { readRecord, tagNamesRecord, writeRecord } from "../../store/records.ts";

export interface ListedTags {
  readonly tags: readonly string[];
  readonly origin: string;
  /** Whether the origin may say what a tag means. */
  readonly mayTell: (tag: string) => boolean;
}

/**
 * An origin's list takes the place of all that it may tell of; what others told of others stays.
 */
export function mergedTags(
  known: readonly string[],
  { tags, mayTell }: Pick<ListedTags, "tags" | "mayTell">,
): string[] {
  const told = [...tags.filter(mayTell), ...known.filter((tag) => !mayTell(tag))];
  return [...new Set(told)].slice(0, MAX_TAG_NAMES).sort();
}

/** Writes the list, when it differs from the one that is there. */
export async function storeTagNames(
  bucket: Bucket,
  packageSet: string,
  listed: ListedTags,
): Promise<void> {
  const place = tagNamesRecord(packageSet);
  const known = (await readRecord(bucket, place))?.tags ?? [];
  const tags = mergedTags(known, listed);
  if (tags.join(" ") === known.join(" ")) return;
  await writeRecord(bucket, place, { tags, listedAt: Date.now(), origin: listed.origin });
}
