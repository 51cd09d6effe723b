/**
 * Fairness between clients, by deficit round robin (Shreedhar and Varghese, 1995).
 *
 * The clients with queued items form a ring. The one in front gets QUANTUM seconds of origin time
 * and takes its oldest items as long as it can pay for them, then goes to the end of the ring with
 * the remainder; a client without items loses its remainder. So each turn gives every client about
 * the same amount of work, however much it has queued, and cheap items do not count as expensive
 * ones.
 *
 *   QUANTUM 160, a package 10, an index 5
 *   A queues 100 images of 4 packages, then B one of 2, then C one of 20
 *   turn 1  A  4 images, one job each (160 s paid)      turn 4  A  the next 4
 *   turn 2  B  its 2 packages                           turn 5  C  its last 4
 *   turn 3  C  16 of its 20, as one job                 turn 6  A  the next 4 …
 *
 * An item that several clients want is in the queue of each: the client whose turn comes first
 * takes it and pays for it, and the others get it for nothing. Clients whose items no free origin
 * can take are skipped, and keep their place.
 */
import type { System } from "../../contract/records.ts";
import type { Item } from "../../contract/items.ts";
import { type Entry, groupOf, systemOf } from "./state.ts";

/** Seconds of an origin's time that an item takes, very roughly. */
const SECONDS = { tag: 1, index: 5, level: 5, package: 10 } as const;
/** Most items in one job: this many evaluate well together, and none waits long for the last. */
export const MAX_BATCH = 16;
/** Seconds that a client may take in its turn: one full job. No item costs more. */
const QUANTUM = MAX_BATCH * SECONDS.package;

function costOf(item: Item): number {
  if (item.kind !== "package") return SECONDS[item.kind];
  return item.level === undefined ? SECONDS.package : SECONDS.level;
}

/** Items that the same origins can take: those for one system, or tags. */
type Class = System | undefined;

interface ClientQueue {
  readonly client: string;
  /** Oldest first; entries that are no longer queued are skipped. */
  readonly byClass: Map<Class, Fifo<Entry>>;
  deficit: number;
  /** Whether its turn has begun: it has received its quantum. */
  inTurn: boolean;
}

export class FairQueue {
  /** The ring: the first is next. */
  readonly #ring = new Map<string, ClientQueue>();
  readonly #isQueued: (entry: Entry) => boolean;

  /** `isQueued`: whether an entry can still be taken. */
  constructor(isQueued: (entry: Entry) => boolean) {
    this.#isQueued = isQueued;
  }

  /** Puts an entry at the end of a client's queue, a new client at the end of the ring. */
  add(client: string, entry: Entry): void {
    let queue = this.#ring.get(client);
    if (queue === undefined)
      this.#ring.set(client, (queue = { client, byClass: new Map(), deficit: 0, inTurn: false }));
    const system = systemOf(entry.item);
    const fifo = queue.byClass.get(system);
    if (fifo === undefined) queue.byClass.set(system, new Fifo(entry));
    else fifo.push(entry);
  }

  /**
   * Takes the next items that may go into one job, or into several that begin together: of one
   * client, one request and one group, as many as the client can pay for. Empty when no client has
   * anything of a class that `isServable`.
   */
  take(isServable: (system: Class) => boolean): Entry[] {
    for (const queue of this.#ring.values()) {
      const fifo = this.#nextOf(queue, isServable);
      if (queue.byClass.size === 0) this.#ring.delete(queue.client);
      if (fifo === undefined) continue;
      const taken = this.#takeFrom(queue, fifo);
      // Otherwise what its turn was kept for is gone, and the next item costs more. It is now at
      // the end.
      if (taken.length > 0) return taken;
    }
    return [];
  }

  /** The queue of this client whose first item is the oldest, of those that an origin can take. */
  #nextOf(queue: ClientQueue, isServable: (system: Class) => boolean): Fifo<Entry> | undefined {
    let oldest: Fifo<Entry> | undefined;
    for (const [system, fifo] of queue.byClass) {
      const first = fifo.first(this.#isQueued);
      if (first === undefined) queue.byClass.delete(system);
      else if (
        isServable(system) &&
        first.queuedAt < (oldest?.first(this.#isQueued)?.queuedAt ?? Infinity)
      )
        oldest = fifo;
    }
    return oldest;
  }

  #takeFrom(queue: ClientQueue, fifo: Fifo<Entry>): Entry[] {
    if (!queue.inTurn) queue.deficit += QUANTUM;
    queue.inTurn = true;
    const taken: Entry[] = [];
    let next = fifo.first(this.#isQueued);
    const [first] = next === undefined ? [] : [next];
    while (next !== undefined && costOf(next.item) <= queue.deficit && taken.length < MAX_BATCH) {
      if (first === undefined || !areTogether(first, next)) break;
      fifo.shift();
      // A client that wants an item by several builds has it in its queue as often.
      if (!taken.includes(next)) {
        taken.push(next);
        queue.deficit -= costOf(next.item);
      }
      next = fifo.first(this.#isQueued);
    }
    if (next === undefined && queue.byClass.size === 1) this.#ring.delete(queue.client);
    else if (next === undefined || costOf(next.item) > queue.deficit) this.#toTheEnd(queue);
    return taken;
  }

  #toTheEnd(queue: ClientQueue): void {
    queue.inTurn = false;
    this.#ring.delete(queue.client);
    this.#ring.set(queue.client, queue);
  }
}

const areTogether = (a: Entry, b: Entry): boolean =>
  a.request === b.request && groupOf(a.item) === groupOf(b.item);

/** First in, first out, without moving the remaining items. */
class Fifo<T> {
  #items: T[];
  #head = 0;

  constructor(first: T) {
    this.#items = [first];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The first that `isGood`; those before it are removed. */
  first(isGood: (item: T) => boolean): T | undefined {
    for (; this.#head < this.#items.length; this.shift()) {
      const item = this.#items[this.#head] as T;
      if (isGood(item)) return item;
    }
    return undefined;
  }

  shift(): void {
    this.#head += 1;
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#items.length) return;
    this.#items = this.#items.slice(this.#head);
    this.#head = 0;
  }
}
/** The rest is copied only when at least this many items were removed. */
const COMPACT_AT = 32;
