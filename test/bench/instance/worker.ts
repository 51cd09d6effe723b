/**
 * The real Worker over the S3 protocol alone, its objects as well: every request can be counted.
 */
import type { Env } from "../../../edge/env.ts";
import worker, { Build as RealBuild, Farm as RealFarm } from "../../../edge/worker.ts";

export { Housekeeping, Totals } from "../../../edge/worker.ts";

function overS3(env: Env): Env {
  const { BUCKET: _, ...rest } = env;
  return rest;
}

export class Farm extends RealFarm {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, overS3(env));
  }
}

export class Build extends RealBuild {
  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, overS3(env));
  }
}

let changed: Env | undefined;

export default {
  fetch(request, env, ctx) {
    changed ??= overS3(env);
    return worker.fetch(request, changed, ctx);
  },
} satisfies ExportedHandler<Env>;
