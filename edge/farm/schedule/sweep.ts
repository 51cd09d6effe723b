/**
 * The effects of time: leases that ended, origins that fell silent, items that waited too long or
 * that nobody waits for any more. It looks at everything, so it runs at the alarm and when an
 * origin comes or goes, not for every item.
 */
import type { Times } from "../limits.ts";
import { AT_ONCE, isCovered, REST_AFTER } from "./health.ts";
import { leaseOf } from "./lease.ts";
import type { Schedule } from "./schedule.ts";
import { isReturned, isWanted, type Job, systemOf } from "./state.ts";
import type { Verdict } from "./verdict.ts";

export interface Sweep {
  /** Origins that fell silent, whose sockets should be closed. */
  readonly silent: readonly string[];
  /** Jobs whose leases ended, and why, for the log. */
  readonly lost: readonly { readonly job: Job; readonly reason: string }[];
  /** Origins that rest from now on. */
  readonly rested: readonly { readonly origin: string; readonly until: number }[];
  /** Items that end without a result. */
  readonly verdicts: readonly Verdict[];
  /** When to sweep again even if nothing happens; null: never. */
  readonly wakeAt: number | null;
}

/** How long late results of a lost job are accepted, ms: longer than any reconnect. */
const LOST_MEMORY = 10 * 60_000;
/** While items wait, it is checked this often whether they are wanted, and for how long, ms. */
export const LOOK = 60_000;

/** `isBusy`: whether a job's results are being stored, so that it stays with its origin. */
export function sweep(
  schedule: Schedule,
  now: number,
  times: Times,
  isBusy: (job: string) => boolean = () => false,
): Sweep {
  const wakes: number[] = [];
  const silent: string[] = [];
  const verdicts = new Map<string, Verdict>();
  for (const origin of schedule.origins.values())
    if (origin.connected && now >= origin.seen + times.lease) silent.push(origin.name);
  const { lost, rested, ended } = takeBack(schedule, now, times, { isBusy, wakes });
  for (const verdict of ended) verdicts.set(verdict.entry.key, verdict);
  for (const name of silent) disconnect(schedule, name);
  endNeedlessRests(schedule, now);
  for (const verdict of judge(schedule, now, times, wakes))
    verdicts.set(verdict.entry.key, verdict);
  if (schedule.backlog.queued > verdicts.size)
    wakes.push(now + LOOK, ...reasonsToLook(schedule, now, times));
  return {
    silent: silent.sort(),
    lost,
    rested,
    verdicts: [...verdicts.values()],
    wakeAt: wakes.length === 0 ? null : wakes.reduce((first, at) => Math.min(first, at)),
  };
}

interface Leases {
  readonly isBusy: (job: string) => boolean;
  readonly wakes: number[];
}

/** Takes back the jobs whose leases have ended. */
function takeBack(schedule: Schedule, now: number, times: Times, { isBusy, wakes }: Leases) {
  const over = [];
  for (const job of schedule.jobs.values()) {
    if (job.lostAt !== null) {
      if (now >= job.lostAt + LOST_MEMORY) schedule.release(job);
      else wakes.push(job.lostAt + LOST_MEMORY);
      continue;
    }
    if (isBusy(job.id)) continue;
    const lease = leaseOf(job, schedule.origins.get(job.origin), times);
    if (now < lease.until) wakes.push(lease.until);
    else over.push({ job, lease });
  }
  while (schedule.lostAt[0] !== undefined && now - schedule.lostAt[0] >= AT_ONCE)
    schedule.lostAt.shift();
  const lostOrigins = new Set(over.flatMap(({ job, lease }) => (lease.lost ? [job.origin] : [])));
  schedule.lostAt.push(...Array.from(lostOrigins, () => now));
  const isOutage = schedule.isOutage(now);
  const rested = [...new Set(over.map(({ job }) => job.origin))].flatMap((origin) => {
    const until = schedule.blame(origin, now);
    return until === undefined ? [] : [{ origin, until }];
  });
  const ended = over.flatMap(({ job, lease }) => {
    const entries = schedule.open(job);
    schedule.release(job, now);
    wakes.push(now + LOST_MEMORY);
    const avoidUntil = now + times.avoid;
    const lost = lease.lost && !isOutage;
    const change = { reason: lease.reason, attempted: true, avoidUntil, lost };
    return schedule.putBack(job, entries, change, now);
  });
  return { lost: over.map(({ job, lease }) => ({ job, reason: lease.reason })), rested, ended };
}

/** An origin that fell silent counts as gone since it was last heard from. */
function disconnect(schedule: Schedule, name: string): void {
  const origin = schedule.origins.get(name);
  if (origin !== undefined) origin.connected = false;
}

/** An origin that is now the only one for a system does not rest: it is tried with one job. */
function endNeedlessRests(schedule: Schedule, now: number): void {
  for (const origin of schedule.origins.values())
    if (now < origin.restUntil && origin.connected && origin.failures >= REST_AFTER)
      if (!isCovered(origin, schedule.origins.values(), now)) origin.restUntil = now;
}

/** Drops what nobody wants, and returns which items end. */
function judge(schedule: Schedule, now: number, times: Times, wakes: number[]): Verdict[] {
  const verdicts: Verdict[] = [];
  /** Systems that an origin serves: items for these that were never begun need no check. */
  const served = new Set<unknown>();
  for (const entry of schedule.backlog.waiting()) {
    if (!isWanted(entry, now)) {
      schedule.backlog.remove(entry);
      continue;
    }
    const system = systemOf(entry.item);
    const isUsual = system !== undefined && !isReturned(entry);
    if (isUsual && served.has(system) && now < entry.queuedAt + times.queue) continue;
    const verdict = schedule.verdict(entry, now);
    if (verdict !== undefined) verdicts.push(verdict);
    else {
      if (isUsual) served.add(system);
      for (const until of entry.avoid.values()) if (until > now) wakes.push(until);
    }
  }
  return verdicts;
}

/** Times at which an origin may be gone or has rested enough, while something waits. */
function reasonsToLook(schedule: Schedule, now: number, times: Times): number[] {
  return Array.from(schedule.origins.values()).flatMap((origin) => [
    ...future(origin.seen + (origin.connected ? times.lease : times.reconnect), now),
    ...future(origin.restUntil, now),
    ...(origin.accepting ? [] : future(origin.pausedAt + times.paused, now)),
  ]);
}

const future = (at: number, now: number): number[] => (at > now ? [at] : []);
