/**
 * Dates as tags: `2026-11-01` is the last revision at which `latest` was seen on that day (UTC), or
 * on the last day before it that the bucket knows.
 *
 *   latest meant   a on 10-28, b on 10-31 in the morning and c in the evening, d on 11-03
 *   2026-10-30     a
 *   2026-10-31     c
 *   2026-11-01     c
 *
 * A past day keeps its revision. Today may still get another one, which a Warning says. For a git
 * repository an origin looks into the history of the default branch instead
 * (origin/nix/sets/git.ts), where commits have exact dates.
 */
import { daysPrefix } from "../../contract/keys.ts";
import type { Bucket } from "../../store/bucket.ts";
import { memory } from "../../store/memory.ts";
import { listAll } from "../../store/read-whole.ts";
import { dayOf, dayRecord, readRecord, revisionRecord } from "../../store/records.ts";
import type { Context } from "../context.ts";
import { manifestUnknown } from "../errors.ts";

const FORM = /^\d{4}-\d{2}-\d{2}$/;
/** Most pages of the list of days, 1,000 on each: 55 years. */
const MAX_PAGES = 20;
/** The list of days is read again this often, milliseconds: it grows once a day. */
const REREAD_MS = 60_000;
/** Memory for lists of days, bytes: ten characters a day, for one package set. */
const REMEMBERED_BYTES = 2 ** 20;
const lists = memory<readonly string[]>(
  REMEMBERED_BYTES,
  (days) => days.length * "yyyy-mm-dd".length,
  REREAD_MS,
);

/** Whether a tag has the form of a date. */
export const isDate = (tag: string): boolean => FORM.test(tag);

/**
 * The revision of a day. Throws MANIFEST_UNKNOWN (404) when the day does not exist, is in the
 * future, or is before everything that the bucket knows. `meaning`: what tags mean here.
 */
export async function revisionOn(context: Context, date: string, meaning: string): Promise<string> {
  const { bucket, config } = context;
  const unknown = (why: string): Error =>
    manifestUnknown(`the tag "${date}" is unknown: ${why}. ${meaning}`, { tag: date });
  const today = dayOf(Date.now());
  const time = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(time) || dayOf(time) !== date) throw unknown("there is no such day");
  if (date > today) throw unknown(`that day is in the future, today is ${today} (UTC)`);
  const set = config.packageSet.id;
  const days = await daysOf(bucket, set);
  // Today's may have been written since the list was read.
  const candidates = [date, ...days.filter((day) => day < date).reverse()];
  for (const day of candidates) {
    const record = await readRecord(bucket, dayRecord(set, day));
    if (record === null) continue;
    // A withdrawn revision no longer belongs to the set.
    if ((await readRecord(bucket, revisionRecord(set, record.revision))) === null) continue;
    if (date === today) context.warnings.push(notOver(date, record.revision));
    return record.revision;
  }
  throw unknown(
    days[0] === undefined
      ? "this registry has not recorded yet what latest meant"
      : `the first day that this registry has recorded is ${days[0]}`,
  );
}

/** The Warning for a pull by today's date. */
const notOver = (date: string, revision: string): string =>
  `${date} is not over yet (UTC), so this tag may still change its meaning; use ` +
  `${revision} as the tag to stay at this revision`;

/** The days on which the bucket knows what `latest` meant, earliest first. */
async function daysOf(bucket: Bucket, packageSet: string): Promise<readonly string[]> {
  const known = lists.get(packageSet);
  if (known !== undefined) return known;
  const prefix = daysPrefix(packageSet);
  const days: string[] = [];
  for await (const { key } of listAll(bucket, prefix, MAX_PAGES))
    days.push(key.slice(prefix.length, -".json".length));
  const list = days.filter(isDate);
  lists.set(packageSet, list);
  return list;
}
