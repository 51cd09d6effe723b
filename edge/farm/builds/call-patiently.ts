/** Calls of a Build object, again and again, while a request waits for it. */
import { note } from "../../log.ts";
import { withRetries } from "../../store/retry.ts";
import type { Answer } from "./answer.ts";

/**
 * Most errors, about 10 s of them, that the platform does not mark as retryable: such errors are
 * faults of Firn, and more attempts will not help.
 */
const MAX_UNEXPLAINED = 10;
/**
 * For how long calls may fail at once, one after the other, ms: moves and deploys take seconds.
 * Those who wait are told of what fails for longer, such as a full disk under the objects.
 */
const BROKEN = 20_000;
/** A call that fails later than this had been waiting for origins, ms. */
const AT_ONCE = 2_000;

/**
 * Longest wait in one call, ms. A request that waits longer calls again, so that Build can tell
 * which clients are still there: one that hung up makes no further call.
 */
const SLICE = 20_000;

export interface Wait {
  /** How long to wait for the items. */
  readonly waitMs: number;
  /** Longest wait in one call; default SLICE. */
  readonly sliceMs?: number;
}

/** Since when every call has failed at once, ms since 1970. */
interface Failing {
  since: number | undefined;
}

/**
 * The answer of `call`, which waits as long as it is told; `building` when it had none in time.
 * Throws its error when calls go on failing. `build`: for the log.
 */
export async function callPatiently(
  call: (waitMs: number) => Promise<Answer>,
  { build, waitMs, sliceMs = SLICE }: Wait & { readonly build: string },
): Promise<Answer> {
  const deadline = Date.now() + waitMs;
  const failing: Failing = { since: undefined };
  for (;;) {
    const left = Math.max(0, deadline - Date.now());
    const answer = await callOnce(call, build, Math.min(left, sliceMs), failing);
    if (answer.state !== "building" || left <= sliceMs) return answer;
  }
}

async function callOnce(
  call: (waitMs: number) => Promise<Answer>,
  build: string,
  waitMs: number,
  failing: Failing,
): Promise<Answer> {
  const deadline = Date.now() + waitMs;
  const left = (): number => Math.max(0, deadline - Date.now());
  let unexplained = 0;
  const attempt = async (): Promise<Answer> => {
    const begun = Date.now();
    try {
      const answer = await call(left());
      failing.since = undefined;
      return answer;
    } catch (error) {
      if (Date.now() >= begun + AT_ONCE) failing.since = undefined;
      throw error;
    }
  };
  try {
    return await withRetries(attempt, {
      withinMs: waitMs,
      onFailure: (error) => {
        failing.since ??= Date.now();
        note("warn", "farm.ask.broken", { build, error: String(error), again: left() > 0 });
      },
      mayPass: (error) =>
        !isBroken(failing) && (isPassing(error) || ++unexplained < MAX_UNEXPLAINED),
    });
  } catch (error) {
    if (left() > 0 || isBroken(failing)) throw error;
    return { state: "building" };
  }
}

const isBroken = ({ since }: Failing): boolean =>
  since !== undefined && Date.now() >= since + BROKEN;

/**
 * Whether the runtime says that the error may pass: the Durable Object moved, was reset by a
 * deploy, or is overloaded.
 */
function isPassing(error: Error): boolean {
  const flags = error as {
    retryable?: boolean;
    overloaded?: boolean;
    durableObjectReset?: boolean;
  };
  return flags.retryable === true || flags.overloaded === true || flags.durableObjectReset === true;
}
