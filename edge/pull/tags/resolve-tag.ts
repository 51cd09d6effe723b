/**
 * Resolves a tag to a revision. A resolved tag is fresh for TAG_FRESH. After that it is served
 * stale while an origin resolves it again behind the answer, and for as long as no origin answers.
 * So known tags can be pulled without origins; only a tag that was never requested before waits for
 * one.
 */
import type { TagItem } from "../../contract/items.ts";
import { firstMatch } from "../../contract/globs.ts";
import { filesOf } from "../../contract/package-set.ts";
import { isRevision, type TagRecord } from "../../contract/records.ts";
import { askFarm } from "../../farm/builds/ask.ts";
import { readCurrent, seeCurrent } from "../../store/current.ts";
import { memory } from "../../store/memory.ts";
import { readRecord, type RecordPlace, revisionRecord, tagRecord } from "../../store/records.ts";
import { note } from "../../log.ts";
import type { Context } from "../context.ts";
import { isDate, revisionOn } from "./date-tags.ts";
import { tagMeaning } from "./tag-meaning.ts";
import { manifestUnknown } from "../errors.ts";
import { notDone, tagFailed } from "../failures.ts";
import { askWhileHeld } from "../ask-while-held.ts";
import { spend } from "../limits.ts";
import { checkMayBuild } from "../permission.ts";

/**
 * The bucket's record is read again this often, milliseconds: the longest time until an isolate
 * sees what an origin announced or another isolate resolved.
 */
const REREAD_MS = 10_000;
/**
 * One isolate resolves a stale tag again at most this often, milliseconds; the Build object merges
 * the requests of several isolates.
 */
const REFRESH_MS = 10_000;
/** The same when TAG_FRESH is shorter than that. */
const MIN_REFRESH_MS = 1_000;
/** The runtime lets work go on for 30 s after the answer. */
const REFRESH_WAIT_MS = 25_000;
/** About 2,000 tags. */
const REMEMBERED_BYTES = 2 ** 20;

interface Refresh {
  /** When the next one may begin, milliseconds since 1970. */
  readonly next: number;
  /** Whether the last one failed. */
  readonly failed: boolean;
}
/** By the path of the tag's record. */
const refreshes = memory<Refresh>(REMEMBERED_BYTES, () => 16);

/**
 * The revision that a tag means. Throws MANIFEST_UNKNOWN (404) when it means nothing, UNAVAILABLE
 * (503) when no origin can tell in time. Warns when nobody could resolve it again lately.
 */
export async function resolveTag(context: Context, tag: string): Promise<string> {
  const known = await lookUp(context, tag, (place, record) => {
    if (Date.now() >= record.resolvedAt + context.config.tagFresh)
      refreshBehind(context, tag, place, record);
  });
  return known ?? resolveFirst(context, tag);
}

/**
 * The revision at which a tag was last seen, without asking an origin; null when only an origin
 * could tell. Throws MANIFEST_UNKNOWN (404) for a tag that can mean nothing here.
 */
export const knownRevision = (context: Context, tag: string): Promise<string | null> =>
  lookUp(context, tag, () => undefined);

/** As knownRevision. `onRecord` is called with the record of a tag whose meaning may change. */
async function lookUp(
  context: Context,
  tag: string,
  onRecord: (place: RecordPlace<TagRecord>, record: TagRecord) => void,
): Promise<string | null> {
  const { packageSet } = context.config;
  const isGit = filesOf(packageSet).kind === "git";
  if (isRevision(tag)) {
    if (await belongsToSet(context, tag)) return tag;
    // An origin looks for it in the repository; for any other set nobody can tell.
    if (isGit) return null;
    throw revisionUnknown(context, tag);
  }
  if (isDate(tag) && !isGit) return revisionOn(context, tag, tagMeaning(packageSet));
  if (!isServed(context, tag)) throw notServed(context, tag);

  const place = tagRecord(packageSet.id, tag);
  const ages = { present: rereadAge(context), absent: 0 };
  const record = await readCurrent(context.bucket, place, ages);
  if (record !== null) onRecord(place, record);
  return record?.revision ?? null;
}

/** Whether a tag that is neither a commit nor a date may mean anything here. */
export function isServed({ config }: Pick<Context, "config">, tag: string): boolean {
  const { packageSet, tags } = config;
  if (tag === "latest") return true;
  const { kind } = filesOf(packageSet);
  if (kind === "starter" || kind === "path") return false;
  return tags === null || isDate(tag) || firstMatch(tags, tag) !== undefined;
}

function notServed({ config: { packageSet, tags } }: Context, tag: string): Error {
  const listed =
    tags === null ? "" : `: of its names this registry serves latest and ${tags.join(", ")}`;
  return manifestUnknown(`the tag "${tag}" is unknown${listed}. ${tagMeaning(packageSet)}`, {
    tag,
  });
}

/**
 * Whether a revision is known to belong to the set: a tag was seen at it, or the operator lists it.
 * Git hosts serve commits of strangers' forks under the parent's address, so a commit that exists
 * there may be anybody's.
 */
async function belongsToSet(
  { bucket, config: { packageSet, revisions } }: Context,
  revision: string,
): Promise<boolean> {
  if (revisions.includes(revision)) return true;
  if (packageSet.kind === "channel" && packageSet.channel === revision) return true;
  return (await readRecord(bucket, revisionRecord(packageSet.id, revision))) !== null;
}

const revisionUnknown = ({ config: { packageSet } }: Context, revision: string): Error =>
  manifestUnknown(
    `the revision ${revision} is unknown: no tag of this registry has meant it so far. ` +
      `${tagMeaning(packageSet)}`,
    { tag: revision },
  );

const rereadAge = ({ config: { tagFresh } }: Context): number => Math.min(REREAD_MS, tagFresh);

const tagItem = ({ config: { packageSet } }: Context, tag: string): TagItem => ({
  kind: "tag",
  packageSet: packageSet.id,
  tag,
});

/** The revision of a tag that the bucket does not know, from an origin. */
async function resolveFirst(context: Context, tag: string): Promise<string> {
  checkMayBuild(context);
  const { packageSet, buildWait } = context.config;
  spend(context, "tags");
  const answer = await askWhileHeld(context, [tagItem(context, tag)]);
  if (answer.state !== "done")
    throw notDone(answer, { doing: `resolving the tag "${tag}"`, held: buildWait });
  const [result] = answer.results;
  if (result?.kind === "failure") throw tagFailed(tag, result.failure, tagMeaning(packageSet));
  if (result?.kind !== "revision")
    throw new TypeError(`the farm answered for a tag with a ${result?.kind}`);
  return see(context, tagRecord(packageSet.id, tag), result.revision);
}

/** Remembers the record that the farm has just written, so that this isolate need not read it. */
function see(context: Context, place: RecordPlace<TagRecord>, revision: string): string {
  seeCurrent(place, { revision, resolvedAt: Date.now() }, rereadAge(context));
  return revision;
}

/**
 * Has an origin resolve a stale tag behind the answer, unless that was attempted a moment ago;
 * warns when the last attempt failed.
 */
function refreshBehind(
  context: Context,
  tag: string,
  { path }: RecordPlace<TagRecord>,
  { revision, resolvedAt }: TagRecord,
): void {
  const { tagFresh } = context.config;
  const last = refreshes.get(path) ?? { next: 0, failed: false };
  const now = Date.now();
  if (now >= last.next) {
    const next = now + Math.min(REFRESH_MS, Math.max(tagFresh, MIN_REFRESH_MS));
    const remember = (failed: boolean): void => void refreshes.set(path, { next, failed });
    remember(last.failed);
    context.ctx.waitUntil(refresh(context, tag).then((resolved) => remember(!resolved)));
  }
  if (!last.failed) return;
  const since = new Date(resolvedAt).toISOString();
  context.warnings.push(
    `no origin answers; the tag ${tag} was last resolved at ${since}, to ${revision}`,
  );
}

/**
 * Whether an origin resolved the tag; never throws. After a failure the last record stays in force:
 * a deleted branch keeps its last revision.
 */
async function refresh(context: Context, tag: string): Promise<boolean> {
  try {
    const answer = await askFarm(context.env, [tagItem(context, tag)], {
      waitMs: REFRESH_WAIT_MS,
      client: context.caller.client,
      regions: context.regions,
      purpose: "background",
    });
    const result = answer.state === "done" ? answer.results[0] : undefined;
    if (result?.kind === "revision") {
      see(context, tagRecord(context.config.packageSet.id, tag), result.revision);
      return true;
    }
    note("warn", "tag.stale", { tag, ...answer });
  } catch (error) {
    note("error", "tag.stale", { tag, error: String(error) });
  }
  return false;
}
