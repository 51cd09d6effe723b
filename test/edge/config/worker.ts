/**
 * A Worker that reads the configuration which a request brings, so that many can be tried in one
 * workerd.
 */
import { readConfig } from "../../../edge/config.ts";
import type { Env } from "../../../edge/env.ts";

export { Build } from "../../../edge/farm/builds/build.ts";
export { Farm } from "../../../edge/farm/farm.ts";
export { Housekeeping } from "../../../edge/housekeeping/housekeeping.ts";
export { Totals } from "../../../edge/pull/totals.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    try {
      return Response.json({ config: await readConfig((await request.json()) as Env) });
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  },
};
