/** What operators ask of a farm: its origins ended, drained, rested, and shown. */
import { note } from "../log.ts";
import type { Candidates } from "./candidates.ts";
import type { Dispatch } from "./dispatch.ts";
import type { Origins } from "./origins.ts";
import type { FarmOverview } from "./overview.ts";
import type { Queue } from "./queue.ts";
import type { Schedule } from "./schedule/schedule.ts";

export interface OperatorsParts {
  readonly schedule: Schedule;
  readonly queue: Queue;
  readonly origins: Origins;
  readonly dispatch: Dispatch;
  readonly candidates: Candidates;
}

export class Operators {
  readonly #with: OperatorsParts;

  constructor(parts: OperatorsParts) {
    this.#with = parts;
  }

  /** Ends an origin's connection for good, and gives its jobs to others. */
  async revoke(name: string): Promise<boolean> {
    const connected = this.#with.origins.revoke(name);
    // What it has made is asked for anew, by those who had it as well.
    this.#with.queue.forgetEndings();
    this.#with.candidates.forgetOrigin(name);
    note("warn", "origin.revoked", { origin: name });
    await this.#with.dispatch.schedule(true);
    return connected;
  }

  /** Takes `revoke` back; false when the name was not revoked. */
  async reinstate(name: string): Promise<boolean> {
    return this.#with.origins.controls.set(name, "revoked", false);
  }

  /** Gives an origin no more jobs, also when it comes back; false: it was so already. */
  async drain(name: string, drained: boolean): Promise<boolean> {
    const changed = this.#with.origins.drain(name, drained);
    note("info", drained ? "origin.drained" : "origin.undrained", { origin: name });
    await this.#with.dispatch.schedule(true);
    return changed;
  }

  /** Gives an origin nothing for `ms`, then one job at a time until one is done. */
  async rest(name: string, ms: number): Promise<boolean> {
    const isKnown = this.#with.origins.rest(name, Date.now() + ms);
    await this.#with.dispatch.schedule(true);
    return isKnown;
  }

  /** The origins that are remembered, and how many items wait in each lane. */
  async overview(): Promise<FarmOverview> {
    this.#with.origins.refresh();
    const { backlog, origins } = this.#with.schedule;
    return {
      origins: this.#with.origins.facts.map((facts) => {
        const { seen = 0, held = { tags: 0, packages: 0 } } = origins.get(facts.name) ?? {};
        const drained = this.#with.origins.controls.is(facts.name, "drained");
        return { ...facts, seen, held, drained };
      }),
      controls: this.#with.origins.controls.all(),
      queued: { tags: backlog.queuedIn("tags"), packages: backlog.queuedIn("packages") },
      jobs: this.#with.schedule.jobs.size,
    };
  }
}
