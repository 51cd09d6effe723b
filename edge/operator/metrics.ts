/** The farm's figures for Prometheus: `GET /metrics`, with an operator's Basic credentials. */
import type { Env } from "../env.ts";
import type { OperatorRequest } from "./authorize.ts";
import { farmView } from "./farm-state.ts";
import { familiesOf } from "./farm-metrics.ts";
import { CONTENT_TYPE, exposition } from "./prometheus.ts";

/** The counters and gauges of all farms. */
export async function metrics(_request: OperatorRequest, env: Env): Promise<Response> {
  const { regions } = await farmView(env);
  return new Response(exposition(familiesOf(regions)), {
    headers: { "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store" },
  });
}
