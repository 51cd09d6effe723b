/**
 * Decides when an image's missing platform is attempted, and how long a pull for another platform
 * waits for it. Remembered in the isolate, for each image and system:
 *
 *   first pull   attempts it, and waits PLATFORM_WAIT once the requested platform is ready
 *   meanwhile    every other pull waits for what is left of that time
 *   then         no pull waits; it is attempted behind the answers, once in AGAIN_MS
 *   no origin    is known at once; attempted again after SOON_MS, by a pull that waits. The same
 *                when this client may not have it built: another client may
 *   it failed    attempted again after FAILED_MS, by a pull that waits
 */
import { memory } from "../../store/memory.ts";

/** Longer than work behind an answer may take, milliseconds. */
const AGAIN_MS = 30_000;
/** After a failure that may pass in a moment, milliseconds. */
const SOON_MS = 5_000;
/** Farms remember failures for this long, milliseconds. */
const FAILED_MS = 60_000;
/** Attempts are forgotten after this time, milliseconds; the next pull waits again. */
const KEPT_MS = 600_000;
/** About 3,000 images. */
const REMEMBERED_BYTES = 2 ** 20;

/** The reason for a platform that is being made at the moment. */
export const BEING_MADE = "it is being built: pull again in a while";

interface Try {
  /**
   * Until when pulls wait for it, ms since 1970; undefined: the next pull that may attempt it
   * waits.
   */
  readonly until: number | undefined;
  /** When it may be tried again, ms since 1970. */
  readonly next: number;
  /** Why it is missing, for people. */
  readonly reason: string;
}

/** Why an attempt ended without an image. */
export interface Failure {
  readonly kind: "building" | "soon" | "failed";
  readonly reason: string;
}

const tries = memory<Try>(REMEMBERED_BYTES, ({ reason }) => 2 * reason.length, KEPT_MS);

/**
 * The reason why there is no image, while it is too early for another attempt; undefined: attempt
 * it.
 */
export function resting(key: string, now: number): string | undefined {
  const known = tries.get(key);
  if (known === undefined || now >= known.next || now < (known.until ?? 0)) return undefined;
  return known.reason;
}

/**
 * How long a pull may wait for this platform once the others are ready, ms. `wait`: the time for
 * the first such pull; later ones get what is left of it.
 */
export function mayWait(key: string, wait: number, now: number): number {
  const known = tries.get(key);
  const until = known?.until ?? now + wait;
  tries.set(key, { until, next: now + AGAIN_MS, reason: known?.reason ?? BEING_MADE });
  return Math.max(0, until - now);
}

/** Notes that an attempt ended without an image, or did not end in time (`building`). */
export function ended(key: string, { kind, reason }: Failure, now: number): void {
  if (kind === "building")
    return void tries.set(key, {
      until: tries.get(key)?.until ?? now,
      next: now + AGAIN_MS,
      reason,
    });
  const next = now + (kind === "soon" ? SOON_MS : FAILED_MS);
  tries.set(key, { until: undefined, next, reason });
}

/** Forgets a platform that has an image, or never will: the record in the bucket says so. */
export const forget = (key: string): void => void tries.delete(key);
