/**
 * What a pull that is held asks of the farm. Its line in the log joins the request to the build, by
 * whose name the log goes on: of the farm, of origins, of Nix (edge/README.md).
 */
import type { Item } from "../../contract/items.ts";
import type { Descriptor } from "../../contract/records.ts";
import { buildName } from "../../farm/build/answer.ts";
import { type Answer, askFarm } from "../../farm/build/ask.ts";
import { note } from "../../log.ts";
import { asWaiting, type Context } from "../context.ts";
import { waiting } from "../limits.ts";

/**
 * Has the items made while the request is held. `lost`: as the farm takes it. Throws
 * TOOMANYREQUESTS (429) when too much waits.
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

/** Once for each build that a request waits for. */
export async function noteHeld({ requestId, url }: Context, items: readonly Item[]): Promise<void> {
  const { pathname } = new URL(url);
  const build = await buildName(items);
  note("info", "pull.held", { request: requestId, build, path: pathname });
}
