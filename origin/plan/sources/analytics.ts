/**
 * What was pulled, as Workers Analytics Engine has it (edge/pull/count-pulls.ts writes it), read
 * with its SQL API.
 */
import * as v from "valibot";
import type { DemandCount } from "../../../edge/contract/demand.ts";

export interface AnalyticsAccess {
  /** Cloudflare's API; another one in tests. */
  readonly api: string;
  readonly account: string;
  /** API token with the permission Account Analytics: Read. */
  readonly token: string;
  readonly dataset: string;
}

export const CLOUDFLARE_API = "https://api.cloudflare.com/client/v4";
/** As wrangler.toml names it. */
export const DEFAULT_DATASET = "firn_demand";
/** Days whose pulls count: older ones say little, and Analytics Engine keeps three months. */
const DAYS = 30;
const TIMEOUT = 60_000;

const AnswerSchema = v.object({
  data: v.array(
    v.object({
      package: v.string(),
      pulls: v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.finite()),
    }),
  ),
});

/**
 * The pulls of a package set. When there are many, data points are sampled: `_sample_interval` says
 * how many each stands for. Throws an Error with the API's answer when that is no success.
 */
export async function analyticsDemand(
  { api, account, token, dataset }: AnalyticsAccess,
  packageSet: string,
): Promise<DemandCount> {
  for (const [what, text] of Object.entries({ dataset, "package set": packageSet }))
    if (!/^[a-z0-9_-]+$/.test(text))
      throw new Error(`the ${what} ${JSON.stringify(text)} cannot stand in a query`);
  const sql =
    `SELECT blob1 AS package, SUM(_sample_interval * double1) AS pulls FROM ${dataset} ` +
    `WHERE index1 = '${packageSet}' AND timestamp > NOW() - INTERVAL '${DAYS}' DAY GROUP BY ` +
    `package FORMAT JSON`;
  const response = await fetch(
    `${api}/accounts/${encodeURIComponent(account)}/analytics_engine/sql`,
    {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
      body: sql,
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT),
    },
  );
  const text = await response.text();
  if (!response.ok)
    throw new Error(`Analytics Engine answered ${response.status}: ${text.slice(0, 300)}`);
  const { data } = v.parse(AnswerSchema, JSON.parse(text));
  const packages = new Map(data.map(({ package: name, pulls }) => [name, Math.round(pulls)]));
  // The total is counted as the package "".
  const pulls = packages.get("") ?? 0;
  packages.delete("");
  return { pulls, packages: Object.fromEntries(packages) };
}
