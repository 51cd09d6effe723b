/**
 * `GET /api/demand`: the most pulled packages of today and yesterday, by the counts in the bucket.
 */
import { packagesRefusal } from "../access/accounts.ts";
import type { DemandAnswer } from "../contract/api.ts";
import { BASE_PACKAGES } from "../contract/names.ts";
import type { Env } from "../env.ts";
import { openContext } from "../pull/context.ts";
import { spend } from "../pull/limits.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { rememberedDemand } from "../store/demand.ts";
import { answer, count, readQuery } from "./query.ts";

const QUERY = { limit: count(20, 100) };
/** How long an answer may be cached, seconds. */
const CACHED_SECONDS = 60;

/** The most pulled packages that the caller's account may have. Throws TOOMANYREQUESTS (429). */
export async function demand(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const { limit } = readQuery(request, QUERY);
  const context = await openContext(request, env, ctx);
  spend(context, "looks");
  const { account } = context.caller;
  const { id } = context.config.packageSet;
  const { pulls, packages, sampled } = await rememberedDemand(context.bucket, id);
  const most = Object.entries(packages)
    .filter(([name]) => !BASE_PACKAGES.includes(name))
    .filter(([name]) => account === null || packagesRefusal(account, [name]) === undefined)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .slice(0, limit)
    .map(([name, times]) => ({ name, pulls: times }));
  return answer({ pulls, packages: most, sampled } satisfies DemandAnswer, CACHED_SECONDS);
}
