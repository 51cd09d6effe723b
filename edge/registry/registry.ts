/** What every request works with. */
import type { Bucket } from "../bucket/bucket.ts";
import { openBucket } from "../bucket/open.ts";
import { type Config, readConfig } from "../config.ts";
import type { Env } from "../env.ts";

export interface Registry {
  readonly env: Env;
  readonly ctx: Pick<ExecutionContext, "waitUntil">;
  readonly config: Config;
  readonly bucket: Bucket;
}

/** Throws a ConfigError. */
export async function openRegistry(env: Env, ctx: ExecutionContext): Promise<Registry> {
  return { env, ctx, config: await readConfig(env), bucket: openBucket(env) };
}

/** Until when a request is held while origins work for it. */
export interface Deadline {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How long that was from the beginning, seconds, for messages. */
  readonly seconds: number;
}

export function deadlineOf({ config }: Registry): Deadline {
  return { at: Date.now() + config.buildWait, seconds: Math.round(config.buildWait / 1_000) };
}

/** Milliseconds that are left. */
export const left = (deadline: Deadline): number => Math.max(0, deadline.at - Date.now());
