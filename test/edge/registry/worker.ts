/**
 * The real Worker with less around it: no R2 binding, so that everything goes over the S3 protocol,
 * and Durable Objects that must not be touched.
 */
import type { Env } from "../../../edge/env.ts";
import worker from "../../../edge/worker.ts";

export { Build } from "../../../edge/farm/builds/build.ts";
export { Farm } from "../../../edge/farm/farm.ts";
export { Housekeeping } from "../../../edge/housekeeping/housekeeping.ts";
export { Totals } from "../../../edge/pull/totals.ts";

const untouchable = new Proxy(
  {},
  {
    get() {
      throw new Error("a Durable Object was touched");
    },
  },
);

let bare: Env | undefined;

export default {
  fetch(request, env, ctx) {
    const { BUCKET: _, ...rest } = env;
    bare ??= { ...rest, FARM: untouchable as Env["FARM"], BUILD: untouchable as Env["BUILD"] };
    return worker.fetch(request, bare, ctx);
  },
} satisfies ExportedHandler<Env>;
