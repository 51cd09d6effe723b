/** The context of a request: configuration, bucket, caller, and until when it may be held. */
import type { Caller } from "../access/accounts.ts";
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";
import type { Ask } from "../farm/builds/ask.ts";
import type { Purpose } from "../farm/schedule/state.ts";
import { continentOf } from "../farm/farms.ts";
import { type Region, regionsFor } from "../farm/regions.ts";
import type { Bucket } from "../store/bucket.ts";
import { nearbyBucket } from "../store/cache.ts";
import { openBucket } from "../store/open.ts";
import { nearBucket } from "./replicas.ts";
import { requestIdOf } from "./request-id.ts";

export interface Context {
  readonly env: Env;
  readonly ctx: Pick<ExecutionContext, "waitUntil">;
  readonly config: Config;
  readonly bucket: Bucket;
  readonly caller: Caller;
  /** Regions in the order in which this client's builds are offered to them. */
  readonly regions: readonly Region[];
  /** As the client requested it. */
  readonly url: string;
  /** The id of the request in the log. */
  readonly requestId: string;
  /** What the person who pulls should know about the answer; each is sent as a Warning header. */
  readonly warnings: string[];
  /**
   * Whether origins work for what the client waits for, or for another platform in the background.
   */
  readonly purpose: Purpose;
  /** What this request has already been charged for in the client's limits (limits.ts). */
  readonly paid: Set<string>;
  /** Until when the request is held while origins work for it, milliseconds since 1970. */
  readonly heldUntil: number;
}

const NOBODY: Caller = { account: null, hasToken: false, client: null, challenge: null };

/** Throws a ConfigError. */
export async function openContext(
  request: Pick<Request, "url" | "headers" | "cf"> & { readonly caller?: Caller },
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<Context> {
  const config = await readConfig(env);
  const background = (work: Promise<unknown>): void => ctx.waitUntil(work);
  const continent = continentOf(request);
  const near = nearBucket(openBucket(env), config.replicas, continent);
  const bucket = { ...near, background };
  return {
    env,
    ctx,
    config,
    // Outside a Cloudflare data centre (a self-hosted workerd) the cache is emulated, and slower
    // than the bucket.
    bucket:
      request.cf?.colo === undefined ? bucket : nearbyBucket(bucket, caches.default, background),
    caller: request.caller ?? NOBODY,
    regions: regionsFor(config.regions, continent),
    url: request.url,
    requestId: requestIdOf(request),
    warnings: [],
    purpose: "waiting",
    paid: new Set(),
    heldUntil: Date.now() + config.buildWait,
  };
}

/** How the farm is asked for what this request waits for: until the request is no longer held. */
export const asWaiting = ({ heldUntil, caller: { client }, regions, purpose }: Context): Ask => ({
  waitMs: Math.max(0, heldUntil - Date.now()),
  client,
  regions,
  purpose,
});
