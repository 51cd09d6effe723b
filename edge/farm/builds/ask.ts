/** Asks the farm to have items made, and waits for them: the way from a pull to the farm. */
import type { Item } from "../../contract/items.ts";
import type { Env } from "../../env.ts";
import { withRetries } from "../../store/retry.ts";
import { note } from "../../log.ts";
import { type Answer, type Asker, buildName } from "./answer.ts";

export type { Answer, Outcome } from "./answer.ts";

/**
 * Most errors, about 10 s of them, that the platform does not mark as retryable: such errors are
 * faults of Firn, and more attempts will not help.
 */
const MAX_UNEXPLAINED = 10;

/**
 * Longest wait in one call, ms. A request that waits longer calls again, so that Build can tell
 * which clients are still there: one that hung up makes no further call.
 */
const SLICE = 20_000;

export interface Ask extends Asker {
  /** How long to wait for the items. */
  readonly waitMs: number;
  /** Longest wait in one call; default SLICE. */
  readonly sliceMs?: number;
}

/**
 * Has an origin make the items, or joins those who already wait for the same items. The items are
 * one tag, packages of one revision, system and plan, or indexes of one revision and system. Asking
 * twice does no harm: a call that fails because the Build object was moved, reset or overloaded is
 * repeated until the time is over.
 */
export async function askFarm(
  env: Pick<Env, "BUILD">,
  items: readonly Item[],
  { waitMs, sliceMs = SLICE, ...asker }: Ask,
): Promise<Answer> {
  const build = await buildName(items);
  const deadline = Date.now() + waitMs;
  for (;;) {
    const left = Math.max(0, deadline - Date.now());
    const ms = Math.min(left, sliceMs);
    const answer = await askOnce(env, items, build, { ...asker, waitMs: ms });
    if (answer.state !== "building" || left <= sliceMs) return answer;
  }
}

async function askOnce(
  env: Pick<Env, "BUILD">,
  items: readonly Item[],
  build: string,
  { waitMs, ...asker }: Ask,
): Promise<Answer> {
  const deadline = Date.now() + waitMs;
  const left = (): number => Math.max(0, deadline - Date.now());
  let unexplained = 0;
  try {
    // A stub whose call failed may stay broken, so each attempt gets a new one.
    return await withRetries(
      async () => (await env.BUILD.getByName(build).ask(items, left(), asker)) as Answer,
      {
        withinMs: waitMs,
        onFailure: (error) =>
          note("warn", "farm.ask.broken", { build, error: String(error), again: left() > 0 }),
        mayPass: (error) => isPassing(error) || ++unexplained < MAX_UNEXPLAINED,
      },
    );
  } catch (error) {
    if (left() > 0) throw error;
    return { state: "building" };
  }
}

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
