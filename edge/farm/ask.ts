/** The edge's one question to the farm: have these items made, and tell me how they ended. */
import type { Item } from "../contract/messages.ts";
import type { Env } from "../env.ts";
import { type Answer, buildName } from "./answer.ts";
import { note } from "./log.ts";

export type { Answer } from "./answer.ts";

/**
 * First pause before a broken call is made again, ms; it doubles each time, with jitter, up to the
 * longest. A deploy resets every object at once.
 */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 2_000;
/**
 * Errors that the platform does not call passing are our own or the farm's; after this many in a
 * row, about 10 s, waiting longer helps nobody.
 */
const MAX_UNEXPLAINED = 10;

/**
 * Has the items made by an origin, or joins those who wait for the same items already, for at most
 * `waitMs`. The items are one tag, or packages of one revision, system and plan. Asking twice does
 * no harm: a call that breaks because the Build object was moved, reset or overloaded is made again
 * within the time.
 */
export async function askFarm(
  env: Pick<Env, "BUILD">,
  items: readonly Item[],
  waitMs: number,
): Promise<Answer> {
  const build = await buildName(items);
  const deadline = Date.now() + waitMs;
  let unexplained = 0;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      // A stub whose call failed may stay broken, so each try takes a new one.
      return (await env.BUILD.getByName(build).ask(
        items,
        Math.max(0, deadline - Date.now()),
      )) as Answer;
    } catch (error) {
      const rest = deadline - Date.now();
      note("warn", "farm.ask.broken", { build, error: String(error), again: rest > 0 });
      if (!isPassing(error) && ++unexplained >= MAX_UNEXPLAINED) throw error;
      if (rest <= 0) return { state: "building" };
      await new Promise((resolve) =>
        setTimeout(resolve, Math.min(rest, pause * (0.5 + Math.random() / 2))),
      );
    }
  }
}

/**
 * What the runtime says of errors of Durable Objects: moved, reset by a deploy, or given more than
 * they can take.
 */
function isPassing(error: unknown): boolean {
  const flags = (error ?? {}) as {
    retryable?: boolean;
    overloaded?: boolean;
    durableObjectReset?: boolean;
  };
  return flags.retryable === true || flags.overloaded === true || flags.durableObjectReset === true;
}
