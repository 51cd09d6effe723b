/**
 * Which origin does which job: a pure function from what the farm knows to what it should do now.
 * (A job is a batch of items; what is in it is no concern of the schedule's.)
 *
 * The lease rules
 * 1. A job is queued, or held by one origin. It is held from the moment it is sent, and that moment
 *    is an attempt.
 * 2. The holder keeps it while it is heard of (PING or any message) at least every `lease`, and a
 *    holder whose connection dropped keeps it for `reconnect`.
 * 3. A job that was sent must be accepted within `accept`, and may be worked on for `job`.
 * 4. A job that is taken back is queued again, in its old place; its last holder is avoided for
 *    `avoid`. After MAX_ATTEMPTS attempts it is given up instead. (An origin that refuses a job, or
 *    hands it back when it stops, has not attempted it; dispatch.ts takes that attempt off again.)
 * 5. Queued jobs go, oldest first, to an origin that builds for their system, has a free slot, is
 *    not leaving and not avoided. Of several: one that has the revision already (evaluating a
 *    package set anew costs more than a busy neighbour), then the least loaded by share of its
 *    slots, then the first by name. One that still waits `queue` after it was asked for is given
 *    up.
 * 6. A queued job that no origin could ever take, because none for its system is connected or was
 *    within `reconnect`, ends as `no-origin`.
 * 7. An origin that does not have the job's revision is never offered it again; when those are all
 *    that could take it, the job ends as `unknown-revision`.
 *
 * Worked example, times in seconds, lease 60, reconnect 10, avoid 5; origins a (2 slots) and b (1
 * slot):
 *     0  jobs 1, 2, 3 arrive.   1 → a (0/2 as b 0/1: the first by name), 2 → b (0/1 is less than 1/2), 3 → a (b is full)
 *    40  a's connection drops.  Jobs 1 and 3 stay a's; look again at 50.
 *    45  a is back and says that it is running job 1 only: it was restarted, job 3 is queued again and goes to a once more, attempt 2.
 *    70  b was last heard of at 10: its socket is closed, job 2 is taken back. a is full: 2 waits.
 *    71  a is done with 1.  2 → a: attempt 2.
 */
import type { System } from "../contract/records.ts";
import { MAX_ATTEMPTS, type Times } from "./limits.ts";

export interface OriginState {
  readonly name: string;
  readonly systems: readonly System[];
  readonly slots: number;
  /** When it was last heard of; for one that is not connected, when its connection dropped. */
  readonly seen: number;
  readonly connected: boolean;
  /** It said bye: it finishes what it has and takes nothing more. */
  readonly leaving: boolean;
  /** Whether it takes jobs now, as it says: not while its disk is full. */
  readonly accepting: boolean;
  readonly revisions: readonly string[];
}

export interface JobState {
  readonly id: string;
  readonly queuedAt: number;
  /** Absent for a tag, which any origin can resolve. */
  readonly system?: System;
  readonly revision?: string;
  readonly attempts: number;
  readonly holder?: { readonly origin: string; readonly since: number; readonly accepted: boolean };
  /** Origin → until when it is not offered this job. */
  readonly avoid: Readonly<Record<string, number>>;
  /** Origins that do not have its revision. */
  readonly lacking: readonly string[];
  /** What went wrong with it last, for the operator: it may name origins. Empty at first. */
  readonly trouble: string;
}

export type Decision =
  | { readonly kind: "assign"; readonly job: string; readonly origin: string }
  | {
      readonly kind: "take-back";
      readonly job: string;
      readonly origin: string;
      readonly reason: string;
    }
  /** `reason` is for clients; `trouble`, what went wrong with it last, for the operator. */
  | {
      readonly kind: "give-up";
      readonly job: string;
      readonly reason: string;
      readonly trouble: string;
    }
  | { readonly kind: "no-origin" | "unknown-revision"; readonly job: string }
  /** Its lease expired: close its socket. */
  | { readonly kind: "drop"; readonly origin: string };

export interface Schedule {
  /** To be carried out in this order. */
  readonly decisions: readonly Decision[];
  /** When to look again even if nothing happens until then; null: never. */
  readonly wakeAt: number | null;
}

/** Whether an origin for this system is there, or may be back in a moment. */
export function isServed(
  system: System | undefined,
  origins: readonly OriginState[],
  now: number,
  times: Times,
): boolean {
  return origins.some(
    (origin) =>
      serves(origin, system) &&
      !origin.leaving &&
      now < origin.seen + (origin.connected ? times.lease : times.reconnect),
  );
}

/**
 * Decides everything that is to be done at `now`. The same input gives the same output, whatever
 * the order of its lists.
 */
export function schedule(
  jobs: readonly JobState[],
  origins: readonly OriginState[],
  now: number,
  times: Times,
): Schedule {
  const decisions: Decision[] = [];
  const wakes: number[] = [];
  const byName = new Map(origins.map((origin) => [origin.name, origin]));
  const silent = (origin: OriginState): boolean =>
    origin.connected && now >= origin.seen + times.lease;
  for (const origin of [...origins].sort(by((o) => o.name)))
    if (silent(origin)) decisions.push({ kind: "drop", origin: origin.name });

  const queued: JobState[] = [];
  const load = new Map<string, number>();
  for (const job of [...jobs].sort(oldestFirst)) {
    if (job.holder === undefined) {
      queued.push(job);
      continue;
    }
    const lease = leaseOf(job.holder, byName.get(job.holder.origin), times);
    if (now < lease.until) {
      wakes.push(lease.until);
      load.set(job.holder.origin, (load.get(job.holder.origin) ?? 0) + 1);
      continue;
    }
    const { origin } = job.holder;
    decisions.push({ kind: "take-back", job: job.id, origin, reason: lease.reason });
    const { holder: _, ...rest } = job;
    queued.push({
      ...rest,
      trouble: lease.reason,
      avoid: { ...job.avoid, [origin]: now + times.avoid },
    });
  }

  for (const job of queued.sort(oldestFirst)) {
    if (job.attempts >= MAX_ATTEMPTS) {
      decisions.push({
        kind: "give-up",
        job: job.id,
        reason: `${MAX_ATTEMPTS} attempts failed; the operator's log says why`,
        trouble: job.trouble,
      });
      continue;
    }
    const able = origins.filter(
      (o) => serves(o, job.system) && !o.leaving && !job.lacking.includes(o.name),
    );
    const origin = able
      .filter(
        (o) =>
          o.connected &&
          o.accepting &&
          !silent(o) &&
          (load.get(o.name) ?? 0) < o.slots &&
          now >= (job.avoid[o.name] ?? 0),
      )
      .sort(
        by(
          (o) => (job.revision !== undefined && o.revisions.includes(job.revision) ? 0 : 1),
          (o) => (load.get(o.name) ?? 0) / o.slots,
          (o) => o.name,
        ),
      )[0];
    if (origin !== undefined) {
      decisions.push({ kind: "assign", job: job.id, origin: origin.name });
      load.set(origin.name, (load.get(origin.name) ?? 0) + 1);
      wakes.push(
        leaseOf({ origin: origin.name, since: now, accepted: false }, origin, times).until,
      );
    } else if (!isServed(job.system, able, now, times)) {
      const kind = job.lacking.length > 0 ? "unknown-revision" : "no-origin";
      decisions.push({ kind, job: job.id });
    } else if (now >= job.queuedAt + times.queue) {
      const reason = "no origin had a free slot in time";
      decisions.push({ kind: "give-up", job: job.id, reason, trouble: job.trouble });
    } else {
      wakes.push(
        job.queuedAt + times.queue,
        ...able
          .flatMap((o) => [
            o.seen + (o.connected ? times.lease : times.reconnect),
            job.avoid[o.name] ?? 0,
          ])
          .filter((at) => at > now),
      );
    }
  }
  return { decisions, wakeAt: wakes.length === 0 ? null : Math.min(...wakes) };
}

/**
 * Until when the holder keeps the job if nothing more is heard of it, and what to say when it has
 * lost it.
 */
function leaseOf(
  holder: NonNullable<JobState["holder"]>,
  origin: OriginState | undefined,
  times: Times,
): { until: number; reason: string } {
  if (origin === undefined) return { until: -Infinity, reason: `origin ${holder.origin} left` };
  const ends = [
    origin.connected
      ? { until: origin.seen + times.lease, reason: `origin ${origin.name} fell silent` }
      : {
          until: origin.seen + times.reconnect,
          reason: `the connection to origin ${origin.name} was lost`,
        },
    { until: holder.since + times.job, reason: `origin ${origin.name} took too long` },
    ...(holder.accepted || !origin.connected
      ? []
      : [
          {
            until: holder.since + times.accept,
            reason: `origin ${origin.name} did not accept the job`,
          },
        ]),
  ];
  return ends.reduce((first, end) => (end.until < first.until ? end : first));
}

const serves = (origin: OriginState, system: System | undefined): boolean =>
  system === undefined || origin.systems.includes(system);

const oldestFirst = (a: JobState, b: JobState): number =>
  a.queuedAt - b.queuedAt || (a.id < b.id ? -1 : 1);

/** Orders by the first key in which two differ, ascending. */
function by<T>(...keys: ((value: T) => number | string)[]): (a: T, b: T) => number {
  return (a, b) => {
    for (const key of keys) {
      const [x, y] = [key(a), key(b)];
      if (x !== y) return x < y ? -1 : 1;
    }
    return 0;
  };
}
