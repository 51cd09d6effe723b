/**
 * The real Worker over the S3 protocol alone, with two things more for tests: a clock that
 * `POST /test/clock?ms=` moves, and an Analytics Engine whose data points `/test/points` returns.
 */
import type { Env } from "../../../edge/env.ts";
import worker from "../../../edge/worker.ts";

export { Build } from "../../../edge/farm/build.ts";
export { Farm } from "../../../edge/farm/farm.ts";
export { Housekeeping } from "../../../edge/housekeeping/keeper.ts";
export { Totals } from "../../../edge/pull/totals.ts";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;

const points: AnalyticsEngineDataPoint[] = [];
const DEMAND: AnalyticsEngineDataset = {
  writeDataPoint: (point) => void points.push(point ?? {}),
};

let changed: Env | undefined;

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/test/clock") {
      ahead += Number(searchParams.get("ms"));
      return new Response();
    }
    if (pathname === "/test/points") return Response.json(points.splice(0));
    const { BUCKET: _, ...rest } = env;
    changed ??= { ...rest, DEMAND };
    return worker.fetch(request, changed, ctx);
  },
} satisfies ExportedHandler<Env>;
