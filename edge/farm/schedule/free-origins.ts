/**
 * The origins that can take a job of a lane during one round of dispatching: all origins are
 * checked at the start, and after each job only the one that got it.
 */
import type { System } from "../../contract/records.ts";
import { isFree } from "./place.ts";
import type { Lane, OriginState } from "./state.ts";

export class FreeOrigins {
  /** Every origin, free or not. */
  readonly all: readonly OriginState[];
  readonly #lane: Lane;
  readonly #now: number;
  #free: OriginState[];
  /** How many in #free are no longer free. */
  #taken = 0;
  /** How many of them build for a system, for the systems that were requested. */
  readonly #bySystem = new Map<System, number>();
  readonly #isFree = (origin: OriginState): boolean => isFree(origin, this.#lane, this.#now);

  constructor(all: readonly OriginState[], lane: Lane, now: number) {
    this.all = all;
    this.#lane = lane;
    this.#now = now;
    this.#free = all.filter(this.#isFree);
  }

  /** Those that were free, including some that were given a job since. */
  get origins(): readonly OriginState[] {
    return this.#free;
  }

  get isEmpty(): boolean {
    return this.#free.length === this.#taken;
  }

  /** Whether one that builds for the system is free; undefined: any will do. */
  has(system: System | undefined): boolean {
    if (system === undefined) return !this.isEmpty;
    const known = this.#bySystem.get(system);
    if (known !== undefined) return known > 0;
    const these = this.#free.filter((each) => this.#isFree(each) && each.systems.includes(system));
    this.#bySystem.set(system, these.length);
    return these.length > 0;
  }

  /** This origin, which was free, was given a job. */
  given(origin: OriginState): void {
    if (this.#isFree(origin)) return;
    for (const system of origin.systems) {
      const known = this.#bySystem.get(system);
      if (known !== undefined) this.#bySystem.set(system, known - 1);
    }
    this.#taken += 1;
    // Not every time: removing costs as much as looking at all of them.
    if (this.#taken * 2 < this.#free.length) return;
    this.#free = this.#free.filter(this.#isFree);
    this.#taken = 0;
  }
}
