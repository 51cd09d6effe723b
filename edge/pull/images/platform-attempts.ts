/**
 * When a platform that an image lacks is tried, and how long a pull of another platform waits for
 * it. Remembered by the isolate, for each image and system:
 *
 *   first pull     tried, and waited for PLATFORM_WAIT after the platform that was asked for is there
 *   … meanwhile    every other pull waits for what is left of that
 *   then           nobody waits; it is tried behind the answers, once in AGAIN_MS
 *   no origin      that is known at once; tried again after SOON_MS, by a pull that waits again. Also
 *                  when the client may not have it built: another client may
 *   it failed      tried again after FAILED_MS, by a pull that waits again
 */
import { memory } from "../../store/memory.ts";

/** More than work may take that runs behind an answer, milliseconds. */
const AGAIN_MS = 30_000;
/** What may be over in a moment, milliseconds. */
const SOON_MS = 5_000;
/** Farms remember failures for as long, milliseconds. */
const FAILED_MS = 60_000;
/** After this a wait begins anew, milliseconds: what takes longer is a new question. */
const KEPT_MS = 600_000;
/** About 3,000 images. */
const REMEMBERED_BYTES = 2 ** 20;

/** Why a platform is not there that is made at the moment. */
export const BEING_MADE = "it is being made: pull again in a while";

interface Try {
  /**
   * Until when pulls wait for it, ms since 1970; undefined when the next one that may try waits.
   */
  readonly until: number | undefined;
  /** When it may be tried again, ms since 1970. */
  readonly next: number;
  /** Why it is not there, in words. */
  readonly reason: string;
}

/** How a try ended without an image. */
export interface Failure {
  readonly kind: "building" | "soon" | "failed";
  readonly reason: string;
}

const tries = memory<Try>(REMEMBERED_BYTES, ({ reason }) => 2 * reason.length, KEPT_MS);

/** Why it is not there, when it is not to be tried now. */
export function resting(key: string, now: number): string | undefined {
  const known = tries.get(key);
  if (known === undefined || now >= known.next || now < (known.until ?? 0)) return undefined;
  return known.reason;
}

/**
 * To be called when nothing but this platform is waited for: for how long a pull may wait, ms, of
 * `wait` for the first one.
 */
export function mayWait(key: string, wait: number, now: number): number {
  const known = tries.get(key);
  const until = known?.until ?? now + wait;
  tries.set(key, { until, next: now + AGAIN_MS, reason: known?.reason ?? BEING_MADE });
  return Math.max(0, until - now);
}

/** A try ended without an image, or has not ended in time (`building`). */
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

/** There is an image, or never will be: both are in the bucket. */
export const forget = (key: string): void => void tries.delete(key);
