/** The limits of a client on its way through a pull (access/limits.ts). */
import { LIMITED, type Limited, Meter, WAITS_RETRY_SECONDS } from "../access/limits.ts";
import type { Context } from "./context.ts";
import { tooManyRequests } from "./errors.ts";

const meter = new Meter();

type Spender = Pick<Context, "config"> & { readonly caller: Pick<Context["caller"], "client"> };

/** Takes `amount` of what a client may have. Throws TOOMANYREQUESTS (429), and takes nothing. */
export function spend({ config, caller }: Spender, name: Limited, amount = 1): void {
  const limit = config.limits[name];
  if (limit === null || caller.client === null) return;
  const wait = meter.take(caller.client, name, limit, amount);
  if (wait === 0) return;
  const seconds = Math.ceil(wait / 1_000);
  throw tooManyRequests(
    `one client may have ${limit.count} ${LIMITED[name].words} in ${limit.seconds} seconds, and that is used up: try again in ${seconds} seconds`,
    seconds,
    { limit },
  );
}

/** Does work that an origin may keep waiting. Throws TOOMANYREQUESTS (429) when too much waits. */
export async function waiting<T>({ config, caller }: Spender, work: () => Promise<T>): Promise<T> {
  const limit = config.limits.waits;
  if (limit === null || caller.client === null) return work();
  const release = meter.hold(caller.client, limit);
  if (release === null)
    throw tooManyRequests(
      `one client may have ${limit.count} ${LIMITED.waits.words}, and has: try again when one is answered`,
      WAITS_RETRY_SECONDS,
      { limit },
    );
  try {
    return await work();
  } finally {
    release();
  }
}
