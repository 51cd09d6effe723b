/** The edge's one question to the farm: do this work, and tell me what became of it. */
import { workKey } from "../image/keys.ts";
import type { Env } from "../env.ts";
import { note } from "./log.ts";
import type { Failure, Result, Work } from "./protocol.ts";

/**
 * What became of the work.
 * - `done`: the tag is resolved, or every item of a publish has its outcome (a package's own failure is an outcome, the others are published all the same).
 *   Everything named is in the bucket, and the records are written.
 * - `failed`: the tag cannot be resolved. A publish is never `failed` as a whole: its items carry their failures.
 * - `building`: not ready within the time the caller waits; the work goes on.
 * - `no-origin`: no connected origin builds for this system. - `queue-full`: the farm takes no more work for now.
 */
export type Answer =
  | { readonly state: "done"; readonly result: Result }
  | { readonly state: "failed"; readonly failure: Failure }
  | { readonly state: "building" }
  | { readonly state: "no-origin" }
  | { readonly state: "queue-full" };

/** First pause before a broken call is made again, ms; it doubles each time, with jitter, up to the longest. A deploy resets every object at once. */
const FIRST_PAUSE = 50;
const LONGEST_PAUSE = 2_000;

/**
 * Has the work done by an origin, or joins those who wait for the same work already, for at most `waitMs`.
 * Asking twice does no harm: a call that breaks because the Build object was moved, reset or overloaded is made again within the time.
 */
export async function askFarm(env: Pick<Env, "BUILD">, work: Work, waitMs: number): Promise<Answer> {
  const key = await workKey(work);
  const deadline = Date.now() + waitMs;
  for (let pause = FIRST_PAUSE; ; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    try {
      // A stub whose call failed may stay broken, so each try takes a new one.
      return (await env.BUILD.getByName(key).ask(work, Math.max(0, deadline - Date.now()))) as Answer;
    } catch (error) {
      const rest = deadline - Date.now();
      note("warn", "farm.ask.broken", { work: key, error: String(error), again: rest > 0 });
      if (rest <= 0) return { state: "building" };
      await new Promise((resolve) => setTimeout(resolve, Math.min(rest, pause * (0.5 + Math.random() / 2))));
    }
  }
}
