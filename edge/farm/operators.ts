/** What operators can do with a farm: revoke, drain and rest its origins, and see its state. */
import type { OriginView } from "../contract/farm-state.ts";
import { note } from "../log.ts";
import type { Control } from "./origins/controls.ts";
import type { Dispatch, DispatchParts } from "./jobs/dispatch.ts";
import { type FarmOverview, unseen, viewOf } from "./overview.ts";
import type { Uploads } from "./uploads/uploads.ts";

export interface OperatorsParts extends DispatchParts {
  readonly dispatch: Dispatch;
  readonly uploads: Uploads;
}

export class Operators {
  readonly #with: OperatorsParts;

  constructor(parts: OperatorsParts) {
    this.#with = parts;
  }

  /** Ends an origin's connection for good, and gives its jobs to others. */
  async revoke(name: string): Promise<boolean> {
    const connected = this.#with.origins.revoke(name);
    await this.#with.revoked(name);
    await this.#with.dispatch.schedule(true);
    return connected;
  }

  /** Undoes `revoke`; false when the name was not revoked. */
  async reinstate(name: string): Promise<boolean> {
    return this.#with.origins.controls.set(name, "revoked", false);
  }

  /**
   * Gives an origin no more jobs, also after it reconnects, until that is undone (`drained` false).
   * Returns whether this changed anything.
   */
  async drain(name: string, drained: boolean): Promise<boolean> {
    const state = this.#with.schedule.origins.get(name);
    if (state !== undefined) state.drained = drained;
    const changed = this.#with.origins.controls.set(name, "drained", drained);
    note("info", drained ? "origin.drained" : "origin.undrained", { origin: name });
    await this.#with.dispatch.schedule(true);
    return changed;
  }

  /**
   * Gives an origin nothing for `ms`, then one job at a time until one is done. False when the farm
   * does not know it.
   */
  async rest(name: string, ms: number): Promise<boolean> {
    const state = this.#with.schedule.origins.get(name);
    if (state === undefined) return false;
    Object.assign(state, { restUntil: Date.now() + ms, onTrial: true, failures: 0 });
    this.#with.origins.save(name);
    await this.#with.dispatch.schedule(true);
    return true;
  }

  /** The state of its origins, what is queued, and what it has done. */
  async overview(): Promise<FarmOverview> {
    const { origins, schedule, history, uploads } = this.#with;
    origins.refresh();
    return {
      origins: this.#views(Date.now()),
      queued: {
        tags: schedule.backlog.queuedIn("tags"),
        packages: schedule.backlog.queuedIn("packages"),
      },
      tally: history.tally,
      ...history.latest(),
      uploadedToday: uploads.today(),
    };
  }

  #views(now: number): OriginView[] {
    const { origins, schedule, times } = this.#with;
    const said = Map.groupBy(origins.controls.all(), ({ name }) => name);
    const is = (name: string, control: Control): boolean =>
      said.get(name)?.some((each) => each.control === control) ?? false;
    const known = origins.facts.map((facts) => {
      const [revoked, drained] = [is(facts.name, "revoked"), is(facts.name, "drained")];
      const { reconnect } = times();
      const seen = { now, reconnect, revoked, drained };
      return viewOf(facts, schedule.origins.get(facts.name), seen);
    });
    const names = new Set(known.map(({ name }) => name));
    const others = [...said.keys()].filter((name) => !names.has(name));
    return [
      ...known,
      ...others.map((name) => unseen(name, is(name, "revoked") ? "revoked" : "drained")),
    ];
  }
}
