/**
 * Turns of work that takes memory: so many bytes at once, and what does not fit waits, first come
 * first served.
 *
 * The runtime drops a request that is cancelled wherever it waits: it never gives back what it has,
 * nor its place. So whoever waits shows every few milliseconds that it still does, by a timer of its
 * own request, and nobody holds anything for longer than HELD_MS.
 */

/** How often a waiting request looks whether it is its turn, milliseconds. */
const LOOK_MS = 20;
/** Who has not looked for so long is gone, milliseconds. */
const GONE_MS = 2_000;
/** When nobody has looked for so long, the isolate was busy, and nobody is gone for that. */
const BUSY_MS = 500;
/** Whoever has not given back its bytes by then is gone, milliseconds: composing takes some 50. */
const HELD_MS = 30_000;

export interface TurnLimits {
  /** Bytes; work that takes more than that has its turn alone. */
  readonly budget: number;
  /** Most that wait. */
  readonly waiting: number;
}

interface Waiter {
  lookedAt: number;
}

export class Turns {
  readonly #limits: TurnLimits;
  readonly #held = new Set<{ readonly bytes: number; readonly until: number }>();
  #queue: Waiter[] = [];
  #lookedAt = 0;

  constructor(limits: TurnLimits) {
    this.#limits = limits;
  }

  /** Waits for `bytes`; the returned function gives them back. Null when too many wait already. */
  async take(bytes: number): Promise<(() => void) | null> {
    const own: Waiter = { lookedAt: Date.now() };
    this.#dropGone();
    if (this.#queue.length >= this.#limits.waiting) return null;
    this.#queue.push(own);
    while (!this.#isTurn(own, bytes)) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      own.lookedAt = Date.now();
      this.#dropGone();
      // Its timer was late, and it counted as gone.
      if (!this.#queue.includes(own)) this.#queue.unshift(own);
    }
    this.#queue = this.#queue.filter((waiter) => waiter !== own);
    const share = { bytes, until: Date.now() + HELD_MS };
    this.#held.add(share);
    return () => void this.#held.delete(share);
  }

  #isTurn(own: Waiter, bytes: number): boolean {
    if (this.#queue[0] !== own) return false;
    const taken = [...this.#held].reduce((sum, share) => sum + share.bytes, 0);
    return this.#held.size === 0 || taken + bytes <= this.#limits.budget;
  }

  #dropGone(): void {
    const now = Date.now();
    if (now - this.#lookedAt > BUSY_MS) for (const waiter of this.#queue) waiter.lookedAt = now;
    this.#lookedAt = now;
    for (const share of this.#held) if (share.until <= now) this.#held.delete(share);
    this.#queue = this.#queue.filter(({ lookedAt }) => now - lookedAt < GONE_MS);
  }
}
