/** What every request works with. */
import type { Bucket } from "../store/bucket.ts";
import { nearbyBucket } from "../store/cache.ts";
import { openBucket } from "../store/open.ts";
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";

export interface Registry {
  readonly env: Env;
  readonly ctx: Pick<ExecutionContext, "waitUntil">;
  readonly config: Config;
  readonly bucket: Bucket;
}

/**
 * Throws a ConfigError. `request.cf` says where it runs: without a data centre around it (a workerd
 * of one's own) the cache is an emulation, slower than the bucket.
 */
export async function openRegistry(
  request: { readonly cf?: unknown },
  env: Env,
  ctx: Pick<ExecutionContext, "waitUntil">,
): Promise<Registry> {
  const bucket = openBucket(env);
  const { colo } = (request.cf ?? {}) as { readonly colo?: unknown };
  const nearby =
    typeof colo === "string"
      ? nearbyBucket(bucket, caches.default, (work) => ctx.waitUntil(work))
      : bucket;
  return { env, ctx, config: await readConfig(env), bucket: nearby };
}
