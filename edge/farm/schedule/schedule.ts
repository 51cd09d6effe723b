/**
 * The schedule: decides which origin gets which items and when. No I/O and no clock: the same
 * events in the same order give the same decisions.
 *
 * The queue holds items in two lanes, tags and packages, so that resolving a tag does not wait for
 * builds: a tag takes one of TAG_SLOTS, which every origin has beside its slots. In a lane, items
 * that somebody waits for go before background work, and clients take turns (fair-queue.ts). The
 * client whose turn it is gets its items placed where they finish first (place.ts), as jobs: items
 * of one request, under one lease (give-out.ts).
 *
 * The lease
 * 1. An origin holds a job from the moment it is sent; that is an attempt for each of its items.
 * 2. It keeps the job while it is heard from at least every `lease`, for `reconnect` after its
 *    connection was lost, if it accepts within `accept`, and for at most `job` (lease.ts).
 * 3. After that the job is lost: its items are queued again, before those that were never begun,
 *    and go to an origin that has not begun them. The origin that had them last is avoided for
 *    `avoid`, even if there is no other.
 * 4. After MAX_ATTEMPTS attempts an item is given up. An origin that refuses a job or hands it back
 *    has not attempted it, nor has one that lacks the revision: it is never offered the item again.
 * 5. An item whose origins are lost is quarantined, an origin that keeps failing is rested
 *    (health.ts).
 * 6. Late results of a lost job are accepted, and an origin that comes back keeps what nobody else
 *    has.
 *
 * Endings without a result
 * 7. An item ends at once when no origin that fits is connected or was within `reconnect`, and
 *    after it waited `queue` for a slot.
 * 8. A queued item that nobody waits for any more is dropped; one that an origin holds goes on.
 *
 * Each step costs no more in a long queue than in a short one: `dispatch` looks at the heads of
 * queues and at origins. `sweep` looks at everything; it runs when time may have changed something.
 *
 * Worked example, times in seconds, lease 60, reconnect 10; origins a (2 slots) and b (1 slot),
 * which hold the revision; client X asks for 1 and 2, Y for 3, then X for 4, a request each:
 *     0  1 → b, of its two homes the one with the higher weight.  2 → a, 3 → a. Both full: 4 waits.
 *    40  a's connection is lost.  Its jobs stay a's; look again at 50.
 *    45  a is back and runs only 2: it was restarted. 3 is queued again, before 4; a has begun it,
 *        so it waits for b.  4 → a, which has a free slot.
 *    70  b was last heard from at 10: its socket is closed, its job is lost. 1 is queued again; b
 *        has begun it, and only a is connected. 3 no longer waits for b. a is full.
 *    75  a is done with 2.  3 → a: attempt 2, there is nobody else.
 *    80  a is done with 4.  1 → a: attempt 2.
 */
import type { Times } from "../limits.ts";
import { Backlog } from "./backlog.ts";
import { giveOut } from "./give-out.ts";
import { failed, isOutage } from "./health.ts";
import { type Entry, type Job, LANES } from "./state.ts";
import type { OriginState } from "./state.ts";
import { type Verdict, verdictOn } from "./verdict.ts";

/** How items come back from an origin. */
export interface PutBack {
  /** What went wrong, for the operator's log: it may name origins. */
  readonly reason: string;
  /** Whether the attempt counts. */
  readonly attempted: boolean;
  /** Not offered to this origin until then, ms since 1970. */
  readonly avoidUntil?: number;
  /** The origin lacks something that the item needs: it is not offered the item again. */
  readonly lacks?: boolean;
  /** System features that the item needs, as the origin found out. */
  readonly features?: readonly string[];
  /** The origin was lost while it worked on the item. */
  readonly lost?: boolean;
  /** The origin's owner has made it, and another owner must make the same. */
  readonly madeBy?: string;
}

export class Schedule {
  readonly backlog = new Backlog();
  readonly jobs = new Map<string, Job>();
  /** Ids of jobs that changed or ended since the set was last read. */
  readonly changedJobs = new Set<string>();
  readonly origins = new Map<string, OriginState>();
  /** When origins were lost lately, ms since 1970. */
  readonly lostAt: number[] = [];
  readonly #times: () => Times;
  readonly #newId: () => string;

  constructor(times: () => Times, newId: () => string) {
    this.#times = times;
    this.#newId = newId;
  }

  /** Adds an origin, or replaces what was known about it; it keeps its jobs. */
  enter(origin: OriginState): void {
    this.origins.set(origin.name, origin);
    for (const lane of LANES) origin.held[lane] = 0;
    for (const job of this.jobs.values())
      if (job.origin === origin.name && job.lostAt === null) origin.held[job.lane] += 1;
  }

  /** Adds a job that was kept over a restart. */
  load(job: Job): void {
    this.jobs.set(job.id, job);
    const origin = this.origins.get(job.origin);
    if (origin !== undefined && job.lostAt === null) origin.held[job.lane] += 1;
  }

  /** The items of a job that have not ended and that nobody else has. */
  open({ id, keys }: Job): Entry[] {
    return keys.flatMap((key) => {
      const entry = this.backlog.entries.get(key);
      return entry?.job === id ? [entry] : [];
    });
  }

  /** Gives free origins what they can take now: new jobs, most important first. */
  dispatch(now: number): Job[] {
    return giveOut(this, now, this.#newId);
  }

  /**
   * Takes items that a job holds back into the queue; those that no origin could take end instead.
   */
  putBack(job: Job, entries: readonly Entry[], change: PutBack, now: number): Verdict[] {
    const verdicts: Verdict[] = [];
    for (const entry of entries) {
      entry.job = null;
      entry.trouble = change.reason;
      entry.unstoredUntil = 0;
      if (change.attempted) entry.tried.add(job.origin);
      else entry.attempts -= 1;
      if (change.avoidUntil !== undefined) entry.avoid.set(job.origin, change.avoidUntil);
      if (change.lacks === true) entry.lacking.add(job.origin);
      for (const feature of change.features ?? []) entry.features.add(feature);
      if (change.lost === true) entry.losses += 1;
      if (change.madeBy !== undefined) {
        entry.owners.add(change.madeBy);
        entry.attempts = 0;
      }
      this.backlog.changed.add(entry.key);
      this.backlog.enqueue(entry);
      const verdict = this.verdict(entry, now);
      if (verdict !== undefined) verdicts.push(verdict);
    }
    return verdicts;
  }

  /**
   * A job is over for its origin. `lost`: late results are accepted, and it may come back to the
   * job.
   */
  release(job: Job, lostAt: number | null = null): void {
    const origin = this.origins.get(job.origin);
    if (origin !== undefined && job.lostAt === null) origin.held[job.lane] -= 1;
    this.changedJobs.add(job.id);
    if (lostAt === null) this.jobs.delete(job.id);
    else job.lostAt = lostAt;
  }

  /**
   * An origin is back with a job that was lost: it keeps what nobody else has; false: nothing. It
   * runs, so it was the connection that was lost, and no item is to blame for that.
   */
  reclaim(job: Job, now: number): boolean {
    const entries = job.keys.flatMap((key) => {
      const entry = this.backlog.entries.get(key);
      return entry?.job === null ? [entry] : [];
    });
    if (job.lostAt === null || entries.length === 0) return false;
    for (const entry of entries) {
      this.backlog.hold(entry, job.id);
      entry.losses = Math.max(0, entry.losses - 1);
    }
    Object.assign(job, { lostAt: null, since: now, accepted: true });
    this.changedJobs.add(job.id);
    const origin = this.origins.get(job.origin);
    if (origin !== undefined) origin.held[job.lane] += 1;
    return true;
  }

  /** An item is over. Returns the job of another origin that is over with it, if there is one. */
  end(entry: Entry): Job | undefined {
    const job = entry.job === null ? undefined : this.jobs.get(entry.job);
    this.backlog.remove(entry);
    if (job === undefined || this.open(job).length > 0) return undefined;
    this.release(job);
    return job;
  }

  /** One more owner's origin has made the item. */
  madeBy(entry: Entry, owner: string): void {
    entry.owners.add(owner);
    this.backlog.changed.add(entry.key);
    if (entry.job === null) this.backlog.requeue(entry);
  }

  /** A job failed for a reason of the origin's own. Returns until when it rests, if it does. */
  blame(name: string, now: number): number | undefined {
    const origin = this.origins.get(name);
    return origin && failed(origin, this.origins.values(), now);
  }

  /** Whether an origin that is lost now was lost together with many others. */
  isOutage(now: number): boolean {
    return isOutage(this.lostAt, this.origins.size, now);
  }

  /** Why a queued item ends now; undefined when it keeps waiting (verdict.ts). */
  verdict(entry: Entry, now: number): Verdict | undefined {
    return verdictOn(entry, this.origins, now, this.#times());
  }
}
