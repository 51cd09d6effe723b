/**
 * `GET /api/failures`: packages that failed lately, and why, in the words of the error that pulls
 * got. Failures of the origins themselves (disk, connection) are left out: they only concern
 * operators.
 */
import type { FailuresAnswer } from "../contract/api.ts";
import { packagesRefusal } from "../access/accounts.ts";
import type { Env } from "../env.ts";
import { allFarms } from "../farm/farms.ts";
import { note } from "../log.ts";
import { openContext } from "../pull/context.ts";
import { spend } from "../pull/limits.ts";
import type { AuthorizedRequest } from "../registry/authorize.ts";
import { answer } from "./query.ts";

const MAX_FAILURES = 20;
/** Failures that every origin would have. */
const OF_PACKAGES: ReadonlySet<string> = new Set([
  "refused",
  "failed",
  "unfit",
  "timeout",
  "limit",
]);
/**
 * How long the farms' answer is reused, milliseconds, so that strangers cannot keep a farm busy.
 */
const REMEMBERED_MS = 5_000;

interface Seen {
  readonly at: number;
  readonly failures: FailuresAnswer["failures"];
}
/** Keyed by environment, since tests have several in one process. */
const seen = new WeakMap<Env, Seen>();

/** Recent failures of packages that the caller's account may have. Throws TOOMANYREQUESTS (429). */
export async function failures(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const context = await openContext(request, env, ctx);
  spend(context, "looks");
  const now = Date.now();
  let known = seen.get(env);
  if (known === undefined || now >= known.at + REMEMBERED_MS)
    seen.set(env, (known = { at: now, failures: await failuresLately(env) }));
  const { account } = context.caller;
  const shown = known.failures
    .filter(({ name }) => account === null || packagesRefusal(account, [name]) === undefined)
    .slice(0, MAX_FAILURES);
  return answer({ failures: shown } satisfies FailuresAnswer);
}

/** Newest first, each package once. */
async function failuresLately(env: Env): Promise<FailuresAnswer["failures"]> {
  const jobs = await Promise.all(
    allFarms(env).map(async ({ region, farm }) => {
      try {
        return (await farm.overview()).failures;
      } catch (error) {
        note("error", "farm.unreachable", { region, error: String(error) });
        return [];
      }
    }),
  );
  const latest = new Map<string, FailuresAnswer["failures"][number]>();
  for (const { at, items } of jobs.flat().sort((a, b) => b.at - a.at))
    for (const { kind, name, system, result, message } of items)
      if (kind === "package" && OF_PACKAGES.has(result) && !latest.has(`${system} ${name}`))
        latest.set(`${system} ${name}`, { at, name, system, result, message });
  return [...latest.values()];
}
