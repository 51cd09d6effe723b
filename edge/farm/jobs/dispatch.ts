/**
 * Carries out what the schedule decides: sends jobs to origins, takes them back, ends items and
 * tells those who want them.
 */
import type { Failure } from "../../contract/items.ts";
import { note } from "../../log.ts";
import type { Alarm } from "../alarm.ts";
import type { Ending } from "../builds/answer.ts";
import { itemKey, traceOf } from "../builds/answer.ts";
import { QUARANTINE, type Times } from "../limits.ts";
import type { Ended, History } from "./history.ts";
import type { Origins } from "../origins/origins.ts";
import type { Queue } from "./queue.ts";
import type { RememberedEndings } from "./remembered-endings.ts";
import { succeeded } from "../schedule/health.ts";
import type { PutBack, Schedule } from "../schedule/schedule.ts";
import type { Entry, Job as Lease } from "../schedule/state.ts";
import { LOOK, sweep } from "../schedule/sweep.ts";
import type { Verdict } from "../schedule/verdict.ts";

/** Longest message of a failure (contract/messages.ts). */
const MAX_REASON = 2_000;
/** While messages arrive, everything is looked at (sweep) this often, ms; at the alarm always. */
const SWEEP_EVERY = 5_000;

export interface DispatchParts {
  readonly schedule: Schedule;
  readonly queue: Queue;
  readonly endings: RememberedEndings;
  readonly origins: Origins;
  readonly history: History;
  readonly alarm: Alarm;
  /** Whether a job stays with its origin for now, whatever its lease says. */
  readonly isStoring: (job: string) => boolean;
  /** An origin was revoked: what the farm remembers of its work is forgotten. */
  readonly revoked: (origin: string) => Promise<void>;
  readonly times: () => Times;
  /** Runs work that no message waits for. */
  readonly background: (work: Promise<unknown>) => void;
  /** Tells who wants items how they ended. */
  readonly deliver: (wantedBy: string, endings: ReadonlyMap<string, Ending>) => Promise<void>;
}

export class Dispatch {
  readonly #with: DispatchParts;
  #sweptAt = 0;

  constructor(parts: DispatchParts) {
    this.#with = parts;
  }

  /** Puts items of a job back into the queue; those that no origin could take end. */
  putBack(lease: Lease, entries: readonly Entry[], change: PutBack, now: number): void {
    this.#with.origins.refresh();
    const verdicts = this.#with.schedule.putBack(lease, entries, change, now);
    if (change.attempted) {
      const items = entries.map(({ item }) => item);
      this.#with.history.lost(lease.origin, items, change.reason, now);
    }
    if (change.avoidUntil !== undefined) this.#with.alarm.by(change.avoidUntil);
    this.#conclude(verdicts, now);
  }

  /**
   * Ends items without a result, those of one request together: when the last origin leaves a long
   * queue, each build is told once.
   */
  #conclude(verdicts: readonly Verdict[], now: number): void {
    for (const { entry, kind, reason } of verdicts)
      note("warn", `item.${kind}`, { item: entry.item, reason, trouble: entry.trouble });
    const groups = Map.groupBy(verdicts, ({ entry, kind }) =>
      kind === "quarantine" ? `${kind} ${entry.request}` : entry.request,
    );
    for (const group of groups.values()) {
      const memory = group[0]?.kind === "quarantine" ? QUARANTINE : undefined;
      const endings = group.map((verdict) => [verdict.entry.key, endingOf(verdict)] as const);
      this.end(new Map(endings), now, undefined, memory);
    }
  }

  /** The origin failed a job for a reason of its own: it may have to rest (health.ts). */
  blame(name: string, now: number): void {
    const until = this.#with.schedule.blame(name, now);
    if (until !== undefined) note("warn", "origin.rested", { origin: name, until });
    this.#with.origins.save(name);
  }

  /** The origin did a job. */
  praise(name: string): void {
    const origin = this.#with.schedule.origins.get(name);
    if (origin === undefined || (origin.failures === 0 && !origin.onTrial)) return;
    succeeded(origin);
    this.#with.origins.save(name);
  }

  /**
   * Items have ended: those who want them are told, and an origin that does the same by another job
   * than `by` is to stop. A delivery that gets lost is made good by Build's own asking.
   */
  end(endings: ReadonlyMap<string, Ending>, now: number, by?: string, memory?: number): void {
    const { schedule, endings: remembered, origins, history } = this.#with;
    const job = by === undefined ? undefined : schedule.jobs.get(by);
    const ended: Ended[] = [];
    const deliveries = new Map<string, Map<string, Ending>>();
    for (const [key, ending] of endings) {
      const entry = schedule.backlog.entries.get(key);
      if (entry === undefined) continue;
      ended.push({ item: entry.item, ending, trouble: entry.trouble });
      for (const { build } of entry.wants.values())
        deliveries.set(build, (deliveries.get(build) ?? new Map()).set(key, ending));
      const finished = schedule.end(entry);
      if (finished !== undefined && finished.id !== by)
        origins.send(finished.origin, { type: "cancel", job: finished.id });
      remembered.remember(key, ending, now, memory);
    }
    history.ended(ended, job, now);
    this.#deliver(deliveries);
  }

  /**
   * Tells those who wait for a job's items that the bucket does not take its results. The items stay
   * with their origin; who asks for them before `until` is told the same.
   */
  unstored(lease: Lease, until: number): void {
    const deliveries = new Map<string, Map<string, Ending>>();
    for (const entry of this.#with.schedule.open(lease)) {
      entry.unstoredUntil = until;
      for (const { build, purpose } of entry.wants.values())
        if (purpose === "waiting")
          deliveries.set(build, (deliveries.get(build) ?? new Map()).set(entry.key, "unstored"));
    }
    this.#deliver(deliveries);
  }

  #deliver(deliveries: ReadonlyMap<string, ReadonlyMap<string, Ending>>): void {
    for (const [wantedBy, delivery] of deliveries) {
      const lost = (error: unknown): void =>
        note("warn", "build.delivery", { build: wantedBy, error: String(error) });
      this.#with.background(this.#with.deliver(wantedBy, delivery).catch(lost));
    }
  }

  /**
   * Gives out what free origins can take, and keeps it all. `everything`: something happened that
   * may end leases or items, so everything is looked at.
   */
  async schedule(everything = false): Promise<void> {
    const now = Date.now();
    const { schedule, queue, origins, alarm, times } = this.#with;
    this.dropRevoked();
    if (everything || now >= this.#sweptAt + SWEEP_EVERY) this.#sweep(now);
    const given = schedule.dispatch(now).map((lease) => ({ lease, items: queue.begin(lease) }));
    // Before anything is sent: the runtime holds back only what is sent after it was written.
    queue.save();
    // Not sent: the connection is closing, and its end takes the job back.
    for (const { lease, items } of given) {
      const { id: job, origin } = lease;
      const { trace, builds } = traced(schedule.open(lease));
      note("info", "job.assigned", { job, origin, builds, items: items.map(itemKey) });
      origins.send(origin, { type: "job", job, items, ...(trace === undefined ? {} : { trace }) });
    }
    if (given.length > 0) alarm.by(now + times().accept);
    if (schedule.backlog.queued > 0) alarm.by(now + LOOK);
    await alarm.set();
  }

  /** Ends the connections of origins that were taken out of the configuration. */
  dropRevoked(): void {
    for (const name of this.#with.origins.dropRevoked()) {
      this.#with.background(this.#with.revoked(name));
      // Their jobs are for others.
      this.#sweptAt = 0;
    }
  }

  #sweep(now: number): void {
    const { schedule, queue, endings, origins, history, alarm, times, isStoring } = this.#with;
    this.#sweptAt = now;
    origins.refresh();
    const { silent, lost, rested, verdicts, wakeAt } = sweep(schedule, now, times(), isStoring);
    for (const name of silent) {
      note("warn", "origin.silent", { origin: name });
      origins.lose(name);
    }
    for (const { job, reason } of lost) {
      note("warn", "job.take-back", { job: job.id, origin: job.origin, reason });
      history.lost(job.origin, queue.job(job.id)?.items ?? [], reason, now);
      origins.send(job.origin, { type: "cancel", job: job.id });
    }
    for (const { origin, until } of rested) note("warn", "origin.rested", { origin, until });
    for (const name of new Set(lost.map(({ job }) => job.origin))) origins.save(name);
    this.#conclude(verdicts, now);
    const mute = origins.endMute(now, times().hello);
    alarm.by(Math.min(wakeAt ?? Infinity, endings.forgetExpired(now) ?? Infinity, mute));
  }
}

/**
 * The builds that want items of a job now, for the log; and the one whose request the items came
 * with, for the origin's.
 */
function traced(entries: readonly Entry[]): { trace: string | undefined; builds: string[] } {
  const builds = entries.flatMap(({ wants }) => Array.from(wants.values(), ({ build }) => build));
  const [first] = entries;
  return {
    trace: first === undefined ? undefined : traceOf(first.request),
    builds: [...new Set(builds.map(traceOf))],
  };
}

const failure = (reason: Failure["reason"], message: string): Ending => ({
  kind: "failure",
  failure: { reason, message: message.slice(0, MAX_REASON) },
});

function endingOf({ entry, kind, reason }: Verdict): Ending {
  if (kind === "no-origin" || kind === "paused") return kind;
  const lacksRevision = kind === "lacking" && entry.features.size === 0 && entry.owners.size === 0;
  return failure(lacksRevision ? "unknown-revision" : "error", reason);
}
