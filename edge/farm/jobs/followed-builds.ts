/**
 * The builds whose logs somebody is following, so that origins send the logs of these jobs and no
 * others. A Build object with followers reports that every FOLLOW_SECONDS, so nothing is stored
 * here: a restarted Farm object soon knows them again.
 */
import { FOLLOW_SECONDS } from "../builds/build-log.ts";
import type { Origins } from "../origins/origins.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Job } from "../schedule/state.ts";

/** A build that was not reported for this long counts as not followed, milliseconds. */
const FORGOTTEN = 3 * FOLLOW_SECONDS * 1_000;

export interface FollowedBuildsParts {
  readonly schedule: Schedule;
  readonly origins: Pick<Origins, "send">;
}

export class FollowedBuilds {
  readonly #with: FollowedBuildsParts;
  /** Build → how long it counts as followed, ms since 1970. */
  readonly #until = new Map<string, number>();

  constructor(parts: FollowedBuildsParts) {
    this.#with = parts;
  }

  /**
   * Notes that the build is followed (`on`), or no longer, and tells the origins of its jobs. An
   * origin that is told again sends the log from the beginning; Build drops the lines that it
   * already has.
   */
  follow(build: string, on: boolean, now: number): void {
    const known = this.#isFollowed(build, now);
    if (on) this.#until.set(build, now + FORGOTTEN);
    else this.#until.delete(build);
    if (known === on) return;
    for (const job of this.#jobsOf(build)) this.#tell(job, now);
  }

  /** An origin has begun a job, or has reconnected with it: tells it if somebody follows. */
  begun(job: Job, now: number): void {
    if (this.buildsOf(job, now).length > 0) this.#tell(job, now);
  }

  /** The followed builds that want an item of the job. */
  buildsOf(job: Job, now: number): string[] {
    if (this.#until.size === 0) return [];
    const builds = this.#with.schedule
      .open(job)
      .flatMap(({ wants }) => Array.from(wants.values(), ({ build }) => build));
    return [...new Set(builds)].filter((build) => this.#isFollowed(build, now));
  }

  #tell(job: Job, now: number): void {
    const on = this.buildsOf(job, now).length > 0;
    this.#with.origins.send(job.origin, { type: "follow", job: job.id, on });
  }

  #isFollowed(build: string, now: number): boolean {
    const until = this.#until.get(build);
    if (until === undefined) return false;
    if (until > now) return true;
    this.#until.delete(build);
    return false;
  }

  #jobsOf(build: string): Job[] {
    const { backlog, jobs } = this.#with.schedule;
    const ids = new Set<string>();
    for (const { job, wants } of backlog.entries.values())
      if (job !== null && Array.from(wants.values()).some((want) => want.build === build))
        ids.add(job);
    return [...ids].flatMap((id) => jobs.get(id) ?? []);
  }
}
