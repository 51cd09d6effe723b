/**
 * A queue for work that takes memory, with a limit on the total bytes. Work that does not fit
 * waits, first come, first served.
 *
 * The runtime drops a cancelled request wherever it waits, so that request never returns its bytes
 * or its place. Therefore a waiting request shows by a timer of its own, every few milliseconds,
 * that it still exists, and bytes are held for at most HELD_MS.
 */

/** How often a waiting request checks whether it is its turn, milliseconds. */
const LOOK_MS = 20;
/** A request that has not checked for this long is gone, milliseconds. */
const GONE_MS = 2_000;
/** When no request has checked for this long, the isolate was busy, and none counts as gone. */
const BUSY_MS = 500;
/**
 * A request that has not returned its bytes after this time is gone, milliseconds: composing takes
 * some 50.
 */
const HELD_MS = 30_000;

/** A request that waits: its context, URL, promises and timer. */
const REQUEST_BYTES = 20_000;
/** A package record that a request holds while it waits; most have 5 to 30 kB, and are shared. */
const PACKAGE_BYTES = 10_000;

export interface MemoryLimits {
  /** Bytes; work that takes more has its turn alone. */
  readonly budget: number;
  /** Most bytes of all waiting requests, by waitingBytes. */
  readonly waiting: number;
}

/** Memory of a request while it waits for its turn, bytes. */
export const waitingBytes = ({ packages }: { readonly packages: readonly unknown[] }): number =>
  REQUEST_BYTES + PACKAGE_BYTES * packages.length;

interface Waiter {
  /** What it takes while it waits, bytes. */
  readonly waiting: number;
  lookedAt: number;
  isQueued: boolean;
}

export class MemoryQueue {
  readonly #limits: MemoryLimits;
  readonly #held = new Set<{ readonly bytes: number; readonly until: number }>();
  #queue: Waiter[] = [];
  #lookedAt = 0;

  constructor(limits: MemoryLimits) {
    this.#limits = limits;
  }

  /**
   * Waits for `bytes`; the returned function releases them. `waiting`: memory of the request until
   * then. Null when too much is waiting already.
   */
  async take(bytes: number, waiting: number): Promise<(() => void) | null> {
    const own: Waiter = { waiting, lookedAt: Date.now(), isQueued: true };
    this.#dropGone();
    const before = this.#queue.reduce((sum, waiter) => sum + waiter.waiting, 0);
    if (this.#queue.length > 0 && before + waiting > this.#limits.waiting) return null;
    this.#queue.push(own);
    while (!this.#isTurn(own, bytes)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      own.lookedAt = Date.now();
      this.#dropGone();
      if (!own.isQueued) this.#putBack(own);
    }
    this.#queue.shift();
    const share = { bytes, until: Date.now() + HELD_MS };
    this.#held.add(share);
    return () => void this.#held.delete(share);
  }

  #isTurn(own: Waiter, bytes: number): boolean {
    if (this.#queue[0] !== own) return false;
    const taken = [...this.#held].reduce((sum, share) => sum + share.bytes, 0);
    return this.#held.size === 0 || taken + bytes <= this.#limits.budget;
  }

  /** Puts back a request that was taken for gone because its timer was late. */
  #putBack(own: Waiter): void {
    own.isQueued = true;
    this.#queue.unshift(own);
  }

  /**
   * Drops requests that are gone. Hundreds of waiting requests call it; it acts once in LOOK_MS.
   */
  #dropGone(): void {
    const now = Date.now();
    for (const share of this.#held) if (share.until <= now) this.#held.delete(share);
    if (now - this.#lookedAt < LOOK_MS) return;
    if (now - this.#lookedAt > BUSY_MS) for (const waiter of this.#queue) waiter.lookedAt = now;
    this.#lookedAt = now;
    for (const waiter of this.#queue) waiter.isQueued = now - waiter.lookedAt < GONE_MS;
    this.#queue = this.#queue.filter(({ isQueued }) => isQueued);
  }
}
