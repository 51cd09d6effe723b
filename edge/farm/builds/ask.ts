/** Asks the farm to have items made, and waits for them: the way from a pull to the farm. */
import type { Item } from "../../contract/items.ts";
import type { Env } from "../../env.ts";
import { type Answer, type Asker, buildName } from "./answer.ts";
import { callPatiently, type Wait } from "./call-patiently.ts";

export type { Answer, Outcome } from "./answer.ts";

export interface Ask extends Asker, Wait {}

/**
 * Has an origin make the items, or joins those who already wait for the same items. The items are
 * one tag, packages of one revision, system and plan, or indexes of one revision and system. Asking
 * twice does no harm: a call that fails because the Build object was moved, reset or overloaded is
 * repeated.
 */
export async function askFarm(
  env: Pick<Env, "BUILD">,
  items: readonly Item[],
  { waitMs, sliceMs, ...asker }: Ask,
): Promise<Answer> {
  const build = await buildName(items);
  // A stub whose call failed may stay broken, so each call gets a new one.
  const call = async (ms: number): Promise<Answer> =>
    (await env.BUILD.getByName(build).ask(items, ms, asker)) as Answer;
  return callPatiently(call, { build, waitMs, ...(sliceMs !== undefined && { sliceMs }) });
}
