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

  /** Gives an origin no more jobs, also after it reconnects; false when that was already so. */
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
