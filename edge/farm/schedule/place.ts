/**
 * Chooses the origin that finishes an item soonest: a pure function of what is known about the
 * origins.
 *
 * An origin must fit: it builds for the system, has the features, lacks nothing that the item
 * needs, may resolve the tag, and its owner has not made the item already. And it must be free:
 * connected, taking jobs, not resting, with a free slot. Of the free origins the one is chosen that
 * would finish first:
 *
 *     ( evaluation + seconds of each item ) × ( 1 + share of its slots in use )
 *
 * Evaluating takes EVALUATE_WARM where the origin already holds the revision, EVALUATE_COLD
 * elsewhere. An item takes less at its homes: the HOMES origins that rendezvous hashing selects for
 * its package, so that a package always comes to the same origins, whose stores hold most of its
 * closure (Thaler and Ravishankar, 1998: when an origin comes or goes, only its own packages move).
 *
 * The items of one request are placed one after another, each where it finishes first, so they
 * spread over origins when that is faster, and share one evaluation when it is not. Worked example,
 * one slot each, b and c hold the revision, homes of nodejs and fish: a and b, of rsync: b and c:
 *
 *     nodejs   a: 30 + 4 = 34     b: 3 + 4 = 7       c: 3 + 10 = 13    → b
 *     rsync    a: 30 + 10 = 40    b: 7 + 4 = 11      c: 3 + 4 = 7      → c
 *     fish     a: 30 + 4 = 34     b: 7 + 4 = 11      c: 7 + 10 = 17    → b, in one job with nodejs
 */
import { firstMatch } from "../../contract/globs.ts";
import { TAG_SLOTS } from "../../contract/messages.ts";
import { type Item } from "../../contract/items.ts";
import type { Times } from "../limits.ts";
import { MAX_BATCH } from "./fair-queue.ts";
import { type Entry, type Lane, laneOf, type OriginState, revisionOf, systemOf } from "./state.ts";

/** Rough seconds; only how they compare matters. */
const EVALUATE_WARM = 3;
const EVALUATE_COLD = 30;
const ITEM_AT_HOME = 4;
const ITEM_ELSEWHERE = 10;
/** Home origins of a package: two, so that it does no harm when one is busy or away. */
const HOMES = 2;
/** Most origins for one request at a time: each evaluates, and packs what the packages share. */
const MAX_SPREAD = 4;

export interface Placement {
  readonly origin: OriginState;
  readonly entries: Entry[];
}

/**
 * Whether the origin could do the item if it were free; a reason against it does not pass by
 * itself.
 */
export function fits(origin: OriginState, entry: Entry): boolean {
  const system = systemOf(entry.item);
  return (
    (system === undefined || origin.systems.includes(system)) &&
    !entry.lacking.has(origin.name) &&
    !entry.owners.has(origin.owner) &&
    (entry.features.size === 0 ||
      [...entry.features].every((feature) => origin.features.includes(feature))) &&
    (entry.item.kind !== "tag" ||
      origin.tags === undefined ||
      firstMatch(origin.tags, entry.item.tag) !== undefined)
  );
}

/** Whether the origin takes jobs, according to itself and the operator. */
export const takesJobs = (origin: OriginState): boolean =>
  origin.connected && origin.accepting && !origin.leaving && !origin.drained;

/** Whether the origin can be given one more job of the lane. */
export const isFree = (origin: OriginState, lane: Lane, now: number): boolean =>
  takesJobs(origin) && now >= origin.restUntil && origin.held[lane] < capacity(origin, lane);

const capacity = ({ onTrial, slots }: OriginState, lane: Lane): number =>
  lane === "tags" ? TAG_SLOTS : onTrial ? 1 : slots;

/** Whether an origin that could do the item is connected, or may be back shortly. */
export function isServed(
  entry: Entry,
  origins: Iterable<OriginState>,
  now: number,
  { lease, reconnect }: Times,
): boolean {
  for (const origin of origins)
    if (
      !origin.leaving &&
      !origin.drained &&
      fits(origin, entry) &&
      now < origin.seen + (origin.connected ? lease : reconnect)
    )
      return true;
  return false;
}

/** Whether every origin that could do the item has taken no jobs for a while. */
export function isPaused(
  entry: Entry,
  origins: Iterable<OriginState>,
  now: number,
  { paused }: Times,
): boolean {
  let some = false;
  for (const origin of origins) {
    if (origin.leaving || origin.drained || !fits(origin, entry)) continue;
    if (origin.accepting || now < origin.pausedAt + paused) return false;
    some = true;
  }
  return some;
}

/**
 * Places the items of one request; those that no free origin can take now are left out. `free`: the
 * origins to consider, when it is already known which may be free.
 */
export function place(
  entries: readonly Entry[],
  origins: readonly OriginState[],
  now: number,
  free: readonly OriginState[] = origins,
): Placement[] {
  const jobs = new Map<OriginState, { readonly entries: Entry[]; seconds: number }>();
  for (const entry of entries) {
    const best = soonest(entry, { origins, free, jobs }, now);
    if (best === undefined) continue;
    const { origin, seconds } = best;
    const job = jobs.get(origin);
    if (job === undefined) jobs.set(origin, { entries: [entry], seconds });
    else {
      job.entries.push(entry);
      job.seconds = seconds;
    }
  }
  return Array.from(jobs, ([origin, job]) => ({ origin, entries: job.entries }));
}

interface Choice {
  readonly origins: readonly OriginState[];
  readonly free: readonly OriginState[];
  /** What origins are given of this request. */
  readonly jobs: ReadonlyMap<
    OriginState,
    { readonly entries: readonly Entry[]; readonly seconds: number }
  >;
}

function soonest(
  entry: Entry,
  { origins, free, jobs }: Choice,
  now: number,
): { readonly origin: OriginState; readonly seconds: number } | undefined {
  const lane = laneOf(entry.item);
  const revision = revisionOf(entry.item);
  const hash = hashOf(affinityOf(entry.item));
  const homes = homesOf(entry, hash, origins);
  const mayRepeat = entry.tried.size === 0 || !hasUntried(entry, origins);
  const canTake = (origin: OriginState): boolean =>
    isFree(origin, lane, now) &&
    fits(origin, entry) &&
    now >= (entry.avoid.get(origin.name) ?? 0) &&
    (mayRepeat || !entry.tried.has(origin.name));
  // An idle home that holds the revision: no origin finishes sooner.
  const isIdeal = (origin: OriginState): boolean =>
    !jobs.has(origin) &&
    origin.held[lane] === 0 &&
    evaluation(origin, revision) <= EVALUATE_WARM &&
    canTake(origin);
  const ideal = jobs.size < MAX_SPREAD ? homes.find(isIdeal) : undefined;
  if (ideal !== undefined)
    return { origin: ideal, seconds: evaluation(ideal, revision) + ITEM_AT_HOME };
  let best: { origin: OriginState; seconds: number; end: number; weight: number } | undefined;
  for (const origin of jobs.size < MAX_SPREAD ? free : jobs.keys()) {
    if (!canTake(origin)) continue;
    const job = jobs.get(origin);
    if (job !== undefined && job.entries.length >= MAX_BATCH) continue;
    const begun = job?.seconds ?? evaluation(origin, revision);
    const seconds = begun + (homes.includes(origin) ? ITEM_AT_HOME : ITEM_ELSEWHERE);
    const end = seconds * (1 + origin.held[lane] / capacity(origin, lane));
    const weight = weightOf(origin, hash);
    if (best === undefined || end < best.end || (end === best.end && weight > best.weight))
      best = { origin, seconds, end, weight };
  }
  return best;
}

const evaluation = ({ revisions }: OriginState, revision: string | undefined): number =>
  revision === undefined ? 0 : revisions.has(revision) ? EVALUATE_WARM : EVALUATE_COLD;

/** Whether an origin that has not begun the item yet could do it, now or when it is free. */
const hasUntried = (entry: Entry, origins: readonly OriginState[]): boolean =>
  origins.some(
    (origin) => takesJobs(origin) && !entry.tried.has(origin.name) && fits(origin, entry),
  );

/** The connected origins of the item's system with the highest weights. */
function homesOf(entry: Entry, hash: number, origins: readonly OriginState[]): OriginState[] {
  const system = systemOf(entry.item);
  const homes: { readonly origin: OriginState; readonly weight: number }[] = [];
  let enough = -1;
  for (const origin of origins) {
    // First the check that most origins of a large farm fail.
    const weight = weightOf(origin, hash);
    if (weight <= enough || !origin.connected) continue;
    if (system !== undefined && !origin.systems.includes(system)) continue;
    homes.push({ origin, weight });
    homes.sort((a, b) => b.weight - a.weight).splice(HOMES);
    enough = homes[HOMES - 1]?.weight ?? -1;
  }
  return homes.map(({ origin }) => origin);
}

/** Equal for items that should come to the same origins: it does not contain the revision. */
const affinityOf = (item: Item): string =>
  item.kind === "package" ? `${item.packageSet} ${item.name}` : `${item.packageSet} ${item.kind}`;

const weightOf = (origin: OriginState, hash: number): number => mix(origin.hash ^ hash);

/** FNV-1a, 32 bits. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}

/** Spreads the bits of 32 over all of them (the finalizer of MurmurHash3); not negative. */
function mix(value: number): number {
  let bits = value ^ (value >>> 16);
  bits = Math.imul(bits, 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
