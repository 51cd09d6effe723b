/**
 * The tags that an image claims to have (`tags/list`). An image is made when it is pulled, so they
 * are those of the package set, the same for every name:
 *
 *   latest
 *   what an origin lists of a git repository            refs/<set>.json, branches and git tags
 *   what somebody pulled, and an origin resolved        tags/<set>/, channels
 *   what the operator lists by name in TAGS             nixos-25.11, not nixos-*
 *
 * Commits and dates are tags too, but are not listed: there is no end of them.
 */
import { tagsPrefix } from "../../contract/keys.ts";
import { isRevision } from "../../contract/records.ts";
import { TAG_PATTERN } from "../../contract/names.ts";
import { memory } from "../../store/memory.ts";
import { listAll } from "../../store/read-whole.ts";
import { readRecord, tagNamesRecord } from "../../store/records.ts";
import type { Context } from "../context.ts";
import { isDate } from "./date-tags.ts";
import { inOrder } from "./tag-order.ts";
import { isServed } from "./resolve-tag.ts";

/** Most pages of the list of tags that were pulled, 1,000 on each. */
const MAX_PAGES = 10;
/** What the bucket knows is read again this often, milliseconds. */
const REREAD_MS = 30_000;
const REMEMBERED_BYTES = 2 ** 20;
const lists = memory<readonly string[]>(
  REMEMBERED_BYTES,
  (tags) => 2 * tags.join("").length,
  REREAD_MS,
);

/** All of them, in the spec's order. */
export async function knownTags(context: Context): Promise<readonly string[]> {
  const resolved = await resolvedTags(context);
  const named = (context.config.tags ?? []).filter((tag) => TAG_PATTERN.test(tag));
  const tags = ["latest", ...named, ...resolved.filter((tag) => isServed(context, tag))];
  return [...new Set(tags)].sort(inOrder);
}

async function resolvedTags({ bucket, config }: Context): Promise<readonly string[]> {
  const { id } = config.packageSet;
  const known = lists.get(id);
  if (known !== undefined) return known;
  const prefix = tagsPrefix(id);
  const found: string[] = [];
  for await (const { key } of listAll(bucket, prefix, MAX_PAGES))
    found.push(key.slice(prefix.length, -".json".length));
  const listed = (await readRecord(bucket, tagNamesRecord(id)))?.tags ?? [];
  const tags = [...found, ...listed].filter((tag) => !isRevision(tag) && !isDate(tag));
  lists.set(id, tags);
  return tags;
}
