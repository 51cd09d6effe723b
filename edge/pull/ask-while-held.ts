/**
 * Asks the farm on behalf of a pull that is held. Logs the request's id together with the name of
 * the build, under which the logs of farm, origins and Nix continue (edge/README.md).
 */
import type { Item } from "../contract/items.ts";
import type { Descriptor } from "../contract/records.ts";
import { buildName } from "../farm/builds/answer.ts";
import { type Answer, askFarm } from "../farm/builds/ask.ts";
import { note } from "../log.ts";
import { asWaiting, type Context } from "./context.ts";
import { waiting } from "./limits.ts";

/**
 * Has the items made while the request is held. `lost`: see the farm's `ask`. Throws
 * TOOMANYREQUESTS (429) when too many of the client's requests are waiting.
 */
export const askWhileHeld = (
  context: Context,
  items: readonly Item[],
  lost?: readonly Descriptor[],
): Promise<Answer> =>
  waiting(context, async () => {
    await noteHeld(context, items);
    return askFarm(context.env, items, { ...asWaiting(context), ...(lost && { lost }) });
  });

/** Logs that a request waits for a build. To be called once for each build. */
export async function noteHeld({ requestId, url }: Context, items: readonly Item[]): Promise<void> {
  const { pathname } = new URL(url);
  const build = await buildName(items);
  note("info", "pull.held", { request: requestId, build, path: pathname });
}
