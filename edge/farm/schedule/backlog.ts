/**
 * The items that are wanted, and the order of those that wait for an origin: by lane, then by
 * purpose, then items that came back from an origin, then by turns of clients. It has no clock:
 * callers pass the time.
 */
import { FairQueue } from "./fair-queue.ts";
import {
  type Entry,
  isReturned,
  isWanted,
  type Lane,
  laneOf,
  type Purpose,
  purposeOf,
  PURPOSES,
  type Want,
  wantKey,
} from "./state.ts";

/**
 * Most clients that are noted as wanting one item, and most builds besides. An entry is written
 * whole when this changes, and a row of SQLite has at most 2 MB.
 */
export const MAX_WANTS = 200;

/** Items of one lane and purpose that wait. */
export interface Level {
  readonly lane: Lane;
  /** Items that an origin had already: they go first, as soon as another one can take them. */
  readonly returned: Map<string, Entry>;
  readonly fair: FairQueue;
}

export class Backlog {
  readonly entries = new Map<string, Entry>();
  /** Keys of entries that changed or ended since the set was last read. */
  readonly changed = new Set<string>();
  readonly #levels: Readonly<Record<Lane, Readonly<Record<Purpose, Level>>>>;
  readonly #queuedBy = new Map<string, number>();
  readonly #queuedIn: Record<Lane, number> = { tags: 0, packages: 0 };
  #now = 0;

  constructor() {
    const level = (lane: Lane): Level => ({
      lane,
      returned: new Map(),
      fair: new FairQueue((entry) => this.#isNext(entry)),
    });
    const levels = (lane: Lane) => ({ waiting: level(lane), background: level(lane) });
    this.#levels = { tags: levels("tags"), packages: levels("packages") };
  }

  /** Items that wait for an origin. */
  get queued(): number {
    return this.#queuedIn.tags + this.#queuedIn.packages;
  }

  queuedIn = (lane: Lane): number => this.#queuedIn[lane];

  /** Items that wait for an origin and that this client wants. */
  queuedBy = (client: string): number => this.#queuedBy.get(client) ?? 0;

  /** The most urgent first. */
  *levels(lane: Lane, now: number): Generator<Level> {
    this.#now = now;
    if (this.#queuedIn[lane] > 0) for (const purpose of PURPOSES) yield this.#levels[lane][purpose];
  }

  /** Every entry that waits for an origin. */
  *waiting(): Generator<Entry> {
    for (const entry of this.entries.values()) if (entry.job === null) yield entry;
  }

  /** Adds an entry: a new one, or one that was kept over a restart. */
  add(entry: Entry): void {
    this.entries.set(entry.key, entry);
    this.changed.add(entry.key);
    if (entry.job === null) this.enqueue(entry);
  }

  /**
   * Notes that one more build wants the item, or still wants it. Clients beyond MAX_WANTS count as
   * one for each build. Builds beyond it are not noted: they ask again, and learn the ending then.
   */
  want(entry: Entry, wanted: Want): void {
    const isNoted = entry.wants.size < MAX_WANTS || entry.wants.has(wantKey(wanted));
    const want = isNoted ? wanted : { ...wanted, client: "" };
    const key = wantKey(want);
    const known = entry.wants.get(key);
    if (known === undefined && entry.wants.size >= 2 * MAX_WANTS) return;
    if (known !== undefined && (known.purpose === "waiting" || want.purpose === known.purpose)) {
      known.until = Math.max(known.until, want.until);
      return;
    }
    if (entry.job === null) this.#dequeue(entry);
    entry.wants.set(key, want);
    this.changed.add(entry.key);
    if (entry.job === null) this.#count(entry, 1);
    if (entry.job === null && isReturned(entry)) this.#toReturned(entry);
    else if (entry.job === null)
      this.#levels[laneOf(entry.item)][want.purpose].fair.add(want.client, entry);
  }

  /** From now on the entry waits for an origin. */
  enqueue(entry: Entry): void {
    this.#count(entry, 1);
    if (isReturned(entry)) return this.#toReturned(entry);
    for (const { client, purpose } of entry.wants.values())
      this.#levels[laneOf(entry.item)][purpose].fair.add(client, entry);
  }

  /** Something happened to a waiting entry, so that it counts as returned (isReturned). */
  requeue(entry: Entry): void {
    this.#dequeue(entry);
    this.enqueue(entry);
  }

  /** From now on an origin has the entry. */
  hold(entry: Entry, job: string): void {
    this.#dequeue(entry);
    entry.job = job;
    this.changed.add(entry.key);
  }

  /** Removes an entry that ended, or that is no longer wanted. */
  remove(entry: Entry): void {
    if (this.entries.get(entry.key) !== entry) return;
    if (entry.job === null) this.#dequeue(entry);
    this.entries.delete(entry.key);
    this.changed.add(entry.key);
  }

  #dequeue(entry: Entry): void {
    this.#count(entry, -1);
    const levels = this.#levels[laneOf(entry.item)];
    for (const purpose of PURPOSES) levels[purpose].returned.delete(entry.key);
  }

  #toReturned(entry: Entry): void {
    this.#levels[laneOf(entry.item)][purposeOf(entry)].returned.set(entry.key, entry);
  }

  #count(entry: Entry, change: 1 | -1): void {
    this.#queuedIn[laneOf(entry.item)] += change;
    for (const client of new Set(Array.from(entry.wants.values(), (want) => want.client))) {
      const count = this.queuedBy(client) + change;
      if (count > 0) this.#queuedBy.set(client, count);
      else this.#queuedBy.delete(client);
    }
  }

  /** Whether an entry in a client's queue can be taken; removes it if it is no longer wanted. */
  #isNext(entry: Entry): boolean {
    if (this.entries.get(entry.key) !== entry || entry.job !== null || isReturned(entry))
      return false;
    if (isWanted(entry, this.#now)) return true;
    this.remove(entry);
    return false;
  }
}
