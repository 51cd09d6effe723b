/** Charges a pull to its client's limits (access/limits.ts), and throws when one is used up. */
import type { Caller } from "../access/accounts.ts";
import {
  type Limit,
  LIMITED,
  type Limited,
  type Limits,
  Meter,
  WAITS_RETRY_SECONDS,
} from "../access/limits.ts";
import type { Config } from "../config.ts";
import type { TotalsRpc } from "../env.ts";
import { note } from "../log.ts";
import type { Context } from "./context.ts";
import { type RegistryError, tooManyRequests } from "./errors.ts";

const meter = new Meter();

interface Spender {
  readonly config: Pick<Config, "limits">;
  readonly caller: Pick<Caller, "client"> & Partial<Pick<Caller, "account">>;
}

/** The account's own limit, or the registry's; null for none. */
function limitOf({ config, caller }: Spender, name: Limited): Limit | null {
  const own = (caller.account?.limits as Partial<Limits> | undefined)?.[name];
  return own === undefined ? config.limits[name] : own;
}

/** The key under which all clients together are counted. */
const EVERYBODY = "everybody";

/** Takes `amount` of a client's limit. Throws TOOMANYREQUESTS (429) when that is used up. */
export function spend(spender: Spender, name: Limited, amount = 1): void {
  const { client } = spender.caller;
  if (client === null) return;
  take(client, limitOf(spender, name), { name, who: "one client may", amount });
}

/**
 * The same for each of `things` for which this request was not charged yet: what is built for two
 * platforms counts once.
 */
export function spendOnce(
  spender: Spender & Pick<Context, "paid">,
  name: Limited,
  things: readonly string[],
): void {
  const unpaid = things.map((thing) => `${name} ${thing}`).filter((key) => !spender.paid.has(key));
  if (unpaid.length === 0) return;
  spend(spender, name, unpaid.length);
  for (const key of unpaid) spender.paid.add(key);
}

/** The same for all clients of this isolate together, known or not. */
export function spendTogether({ limits }: Pick<Config, "limits">, name: Limited): void {
  take(EVERYBODY, limits[name], { name, who: "this registry may", amount: 1 });
}

/**
 * When each used-up total becomes available again, milliseconds since 1970, as the Totals object
 * last said.
 */
const usedUp = new Map<Limited, number>();

type Counter = Spender & Pick<Context, "env" | "ctx">;

/**
 * The same for all clients in all locations. Counted behind the answer; TOOMANYREQUESTS (429) is
 * thrown by the last count that this isolate has received.
 */
export function spendTotal({ env, ctx, config }: Counter, name: Limited): void {
  const limit = config.limits[name];
  if (limit === null || env.TOTALS === undefined) return;
  const wait = (usedUp.get(name) ?? 0) - Date.now();
  if (wait > 0) throw tooMany("this registry may", name, limit, wait);
  ctx.waitUntil(count(env.TOTALS, name, limit));
}

/** A failed count is only logged: the limit protects from cost, and is not worth failing a pull. */
async function count(
  totals: DurableObjectNamespace<TotalsRpc>,
  name: Limited,
  limit: Limit,
): Promise<void> {
  try {
    usedUp.set(name, await totals.get(totals.idFromName(TOTALS_NAME)).add(name, limit));
  } catch (error) {
    note("error", "total.uncounted", { name, error: String(error) });
  }
}

/** The one object of its class. */
const TOTALS_NAME = "all";

interface Share {
  readonly name: Limited;
  readonly who: string;
  readonly amount: number;
}

function take(client: string, limit: Limit | null, { name, who, amount }: Share): void {
  if (limit === null) return;
  const wait = meter.take(client, name, limit, amount);
  if (wait !== 0) throw tooMany(who, name, limit, wait);
}

function tooMany(who: string, name: Limited, limit: Limit, wait: number): RegistryError {
  const seconds = Math.ceil(wait / 1_000);
  return tooManyRequests(
    `${who} have ${limit.count} ${LIMITED[name].words} in ${inSeconds(limit.seconds)}, and ` +
      `that is used up: try again in ${inSeconds(seconds)}`,
    seconds,
    { limit },
  );
}

const inSeconds = (count: number): string => `${count} second${count === 1 ? "" : "s"}`;

/**
 * Does work that waits for an origin. Throws TOOMANYREQUESTS (429) when too many of the client's
 * requests are waiting. Background work does not count, since it holds no request for long.
 */
export async function waiting<T>(
  spender: Spender & Pick<Context, "purpose">,
  work: () => Promise<T>,
): Promise<T> {
  const limit = limitOf(spender, "waits");
  const { client } = spender.caller;
  if (limit === null || client === null || spender.purpose === "background") return work();
  const release = meter.hold(client, limit);
  if (release === null)
    throw tooManyRequests(
      `one client may have ${limit.count} ${LIMITED.waits.words} at a time, and this client has ` +
        `reached that limit: try again when one of them is answered`,
      WAITS_RETRY_SECONDS,
      { limit },
    );
  try {
    return await work();
  } finally {
    release();
  }
}
