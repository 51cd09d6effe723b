/**
 * Makes jobs of waiting items for the origins that are free: lane by lane, in each the most urgent
 * level first. In a level, items that came back from an origin go before the turns of clients.
 */
import type { Backlog, Level } from "./backlog.ts";
import { FreeOrigins } from "./free-origins.ts";
import { place } from "./place.ts";
import {
  type Entry,
  groupOf,
  isWanted,
  type Job,
  type Lane,
  LANES,
  laneOf,
  type OriginState,
} from "./state.ts";

/** What is known about items, jobs and origins (schedule.ts). */
export interface ScheduleState {
  readonly backlog: Backlog;
  readonly jobs: Map<string, Job>;
  readonly changedJobs: Set<string>;
  readonly origins: ReadonlyMap<string, OriginState>;
}

interface Round {
  readonly state: ScheduleState;
  readonly free: FreeOrigins;
  readonly now: number;
  readonly newId: () => string;
}

/** Most returned items that one round looks at, so that a round stays short. */
const MAX_RETRIED = 64;

/**
 * Gives free origins what they can take now. Returns the new jobs, which are in `state` as well.
 */
export const giveOut = (state: ScheduleState, now: number, newId: () => string): Job[] =>
  LANES.flatMap((lane) => {
    if (state.backlog.queuedIn(lane) === 0) return [];
    const free = new FreeOrigins([...state.origins.values()], lane, now);
    return giveOutLane({ state, free, now, newId }, lane);
  });

function giveOutLane(round: Round, lane: Lane): Job[] {
  const { state, free, now } = round;
  const made: Job[] = [];
  for (const level of state.backlog.levels(lane, now)) {
    if (free.isEmpty) break;
    for (const batch of returnedBatches(level, state.backlog, now))
      made.push(...give(round, batch));
    while (!free.isEmpty) {
      const batch = level.fair.take((system) => free.has(system));
      if (batch.length === 0) break;
      made.push(...give(round, batch));
      // Items that only some origins may do, none of which is free, no longer block the others.
      for (const entry of batch) if (entry.job === null) level.returned.set(entry.key, entry);
    }
  }
  return made;
}

/** Returned items, in batches that may be one job; the next round begins with others. */
function returnedBatches({ returned }: Level, backlog: Backlog, now: number): Entry[][] {
  const batches = new Map<string, Entry[]>();
  for (const entry of [...returned.values()].slice(0, MAX_RETRIED)) {
    returned.delete(entry.key);
    returned.set(entry.key, entry);
    if (!isWanted(entry, now)) backlog.remove(entry);
    // An item during which an origin was lost goes alone, so that it takes nothing else down with
    // it.
    else if (entry.losses > 0) batches.set(entry.key, [entry]);
    else {
      const together = `${entry.request} ${groupOf(entry.item)}`;
      batches.set(together, [...(batches.get(together) ?? []), entry]);
    }
  }
  return [...batches.values()];
}

function give({ state, free, now, newId }: Round, batch: readonly Entry[]): Job[] {
  return place(batch, free.all, now, free.origins).map(({ origin, entries }): Job => {
    const job = {
      id: newId(),
      origin: origin.name,
      lane: laneOf((entries[0] as Entry).item),
      keys: entries.map(({ key }) => key),
      since: now,
      accepted: false,
      lostAt: null,
    };
    state.jobs.set(job.id, job);
    state.changedJobs.add(job.id);
    origin.held[job.lane] += 1;
    for (const entry of entries) {
      entry.attempts += 1;
      state.backlog.hold(entry, job.id);
    }
    free.given(origin);
    return job;
  });
}
