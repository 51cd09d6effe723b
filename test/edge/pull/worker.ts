/**
 * The real Worker over the S3 protocol alone, with three things more for tests: a clock that
 * `POST /test/clock?ms=` moves, an Analytics Engine whose data points `/test/points` returns, and
 * at `/test/behind` how much work behind answers that were given goes on.
 */
import type { Env } from "../../../edge/env.ts";
import worker from "../../../edge/worker.ts";

export { Build } from "../../../edge/farm/builds/build.ts";
export { Farm } from "../../../edge/farm/farm.ts";
export { Housekeeping } from "../../../edge/housekeeping/housekeeping.ts";
export { Totals } from "../../../edge/pull/totals.ts";

const now = Date.now;
let ahead = 0;
Date.now = () => now() + ahead;
// By this one lru-cache tells the age of what it holds.
const monotonic = performance.now.bind(performance);
performance.now = () => monotonic() + ahead;

const points: AnalyticsEngineDataPoint[] = [];
const DEMAND: AnalyticsEngineDataset = {
  writeDataPoint: (point) => void points.push(point ?? {}),
};

let behind = 0;
/** Counts what `ctx.waitUntil` is given until it has ended. */
function counting(ctx: ExecutionContext): ExecutionContext {
  const waitUntil = (work: Promise<unknown>): void => {
    behind += 1;
    ctx.waitUntil(work.finally(() => (behind -= 1)));
  };
  return new Proxy(ctx, {
    get(target, name) {
      if (name === "waitUntil") return waitUntil;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

let changed: Env | undefined;

export default {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/test/clock") {
      ahead += Number(searchParams.get("ms"));
      return new Response();
    }
    if (pathname === "/test/points") return Response.json(points.splice(0));
    if (pathname === "/test/behind") return Response.json(behind);
    const { BUCKET: _, ...rest } = env;
    changed ??= { ...rest, DEMAND };
    return worker.fetch(request, changed, counting(ctx));
  },
} satisfies ExportedHandler<Env>;
