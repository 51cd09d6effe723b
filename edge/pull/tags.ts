/**
 * Tag → revision. A resolved tag is fresh for TAG_FRESH; then it is served stale while an origin
 * resolves it anew behind the answer, and for as long as no origin answers. So pulls outlive
 * origins, and only a tag that nobody ever asked for waits for one.
 */
import { askFarm } from "../farm/ask.ts";
import { manifestUnknown } from "./errors.ts";
import { tagPath } from "../contract/keys.ts";
import type { PackageSetSpec } from "../contract/package-set.ts";
import type { TagRecord } from "../contract/records.ts";
import { type Deadline, left } from "./deadline.ts";
import { notDone, tagFailed } from "./failures.ts";
import { memory } from "../store/memory.ts";
import { readRecord, tagRecord } from "../store/records.ts";
import type { Registry } from "./registry.ts";

export interface ResolvedTag {
  readonly revision: string;
  /** Until when this answer may be given again without looking, milliseconds since 1970. */
  readonly until: number;
  /**
   * When it was resolved, milliseconds since 1970, if nobody could resolve it anew since it went
   * stale.
   */
  readonly staleSince?: number;
}

/** A revision is its own tag: 40 lower-case hex digits are never resolved. */
const REVISION = /^[0-9a-f]{40}$/;
/**
 * The bucket's record is read again this often, milliseconds: what an origin announced, or another
 * isolate resolved, shows after this at the latest.
 */
const REREAD_MS = 10_000;
/**
 * A stale tag is asked for at most this often by one isolate, milliseconds; the Build object joins
 * what several isolates ask.
 */
const REFRESH_MS = 10_000;
/** The same when TAG_FRESH is shorter than that. */
const MIN_REFRESH_MS = 1_000;
/** After the answer the runtime lets work go on for 30 s. */
const REFRESH_WAIT_MS = 25_000;
/** About 2,000 tags. */
const REMEMBERED_BYTES = 2 ** 20;

interface Known extends TagRecord {
  readonly rereadAt: number;
}
const known = memory<Known>(REMEMBERED_BYTES, ({ revision }) => revision.length);
/** By key: when the next refresh may begin, and whether the last one failed. */
const refreshes = memory<{ readonly next: number; readonly failed: boolean }>(
  REMEMBERED_BYTES,
  () => 16,
);

/**
 * The revision that a tag means. Throws MANIFEST_UNKNOWN (404) for a tag that means nothing,
 * UNAVAILABLE (503) when no origin can tell in time.
 */
export async function resolveTag(
  registry: Registry,
  tag: string,
  deadline: Deadline,
): Promise<ResolvedTag> {
  const { packageSet, tagFresh } = registry.config;
  if (REVISION.test(tag)) return { revision: tag, until: Number.POSITIVE_INFINITY };
  if ((packageSet.kind === "starter" || packageSet.kind === "path") && tag !== "latest") {
    throw manifestUnknown(`the tag "${tag}" is unknown. ${tagMeaning(packageSet)}`, { tag });
  }
  const key = tagPath(packageSet.id, tag);
  const now = Date.now();
  let record = known.get(key);
  if (record === undefined || now >= record.rereadAt)
    record =
      remember(key, await readRecord(registry.bucket, tagRecord(packageSet.id, tag)), tagFresh) ??
      record;
  if (record === undefined) return firstTime(registry, tag, key, deadline);

  const { revision, resolvedAt, rereadAt } = record;
  const freshUntil = resolvedAt + tagFresh;
  if (now < freshUntil) return { revision, until: Math.min(freshUntil, rereadAt) };
  const failed = refreshes.get(key)?.failed ?? false;
  refresh(registry, tag, key, now);
  return { revision, until: rereadAt, ...(failed ? { staleSince: resolvedAt } : {}) };
}

/** What a person may write after the colon. */
export function tagMeaning(packageSet: PackageSetSpec): string {
  switch (packageSet.kind) {
    case "starter":
      return "Packages come from the set that is built into this registry: its only tags are latest, and the 40 hex digits of its revision";
    case "path":
      return "Packages come from a directory of this registry's origins: its only tags are latest, and the 40 hex digits of its revision";
    case "channel":
      return `Packages come from nixpkgs: a tag is the name of a channel or a commit of 40 lower-case hex digits, and latest is ${packageSet.channel}`;
    case "git":
      return "Packages come from a git repository: a tag is one of its branches or tags, or a commit of 40 lower-case hex digits, and latest is its HEAD";
  }
}

function remember(key: string, record: TagRecord | null, tagFresh: number): Known | undefined {
  if (record === null) return undefined;
  const entry = { ...record, rereadAt: Date.now() + Math.min(REREAD_MS, tagFresh) };
  known.set(key, entry);
  return entry;
}

async function firstTime(
  registry: Registry,
  tag: string,
  key: string,
  deadline: Deadline,
): Promise<ResolvedTag> {
  const { packageSet, tagFresh } = registry.config;
  const answer = await askFarm(
    registry.env,
    { kind: "resolve", packageSet: packageSet.id, tag },
    left(deadline),
  );
  if (answer.state === "failed") throw tagFailed(tag, answer.failure, tagMeaning(packageSet));
  if (answer.state !== "done")
    throw notDone(answer.state, { doing: `resolving the tag "${tag}"` }, deadline);
  if (answer.result.kind !== "resolved")
    throw new TypeError(`the farm answered a resolve with ${answer.result.kind}`);
  const { revision } = answer.result;
  return {
    revision,
    until: remember(key, { revision, resolvedAt: Date.now() }, tagFresh)?.rereadAt ?? 0,
  };
}

/**
 * Resolves a stale tag behind the answer. The farm writes the new record; a failure leaves the old
 * one in force (a branch that was deleted keeps its last revision).
 */
function refresh(
  { env, ctx, config: { packageSet, tagFresh } }: Registry,
  tag: string,
  key: string,
  now: number,
): void {
  const last = refreshes.get(key);
  if (last !== undefined && now < last.next) return;
  const next = now + Math.min(REFRESH_MS, Math.max(tagFresh, MIN_REFRESH_MS));
  const note = (failed: boolean): void => void refreshes.set(key, { next, failed });
  note(last?.failed ?? false);
  const resolve = async (): Promise<void> => {
    try {
      const answer = await askFarm(
        env,
        { kind: "resolve", packageSet: packageSet.id, tag },
        REFRESH_WAIT_MS,
      );
      const resolved = answer.state === "done" && answer.result.kind === "resolved";
      if (resolved)
        remember(key, { revision: answer.result.revision, resolvedAt: Date.now() }, tagFresh);
      else console.warn(JSON.stringify({ level: "warn", event: "tag.stale", tag, ...answer }));
      note(!resolved);
    } catch (error) {
      console.error(
        JSON.stringify({ level: "error", event: "tag.stale", tag, error: String(error) }),
      );
      note(true);
    }
  };
  ctx.waitUntil(resolve());
}
