/** The Worker: routes, and nothing else. */
import { type IRequestStrict, Router } from "itty-router";
import type { Env } from "./env.ts";
import { connectOrigin } from "./farm/connect.ts";
import { CONNECT_PATH } from "./contract/messages.ts";
import { rememberedAnswer } from "./registry/answers.ts";
import { base, notFound, refuseEarly, welcome } from "./registry/base.ts";
import { blobs } from "./registry/blobs.ts";
import { referrers, tagsList } from "./registry/discovery.ts";
import { errorResponse } from "./registry/errors.ts";
import { manifests } from "./registry/manifests.ts";

export { Build } from "./farm/build.ts";
export { Farm } from "./farm/farm.ts";

const router = Router<IRequestStrict, [Env, ExecutionContext]>({
  catch: (error: unknown, request: Request) => errorResponse(error, request),
});

// A name may itself hold `manifests` or `blobs`: `:name+` is greedy, so the last one in the path is
// the route's.
router
  .all(CONNECT_PATH, connectOrigin)
  .all("*", refuseEarly)
  .all("/v2", base)
  .all("/v2/:name+/manifests/:reference", manifests)
  .all("/v2/:name+/blobs/:digest", blobs)
  .all("/v2/:name+/tags/list", tagsList)
  .all("/v2/:name+/referrers/:digest", referrers)
  .all("/", welcome)
  .all("*", notFound);

export default {
  fetch: (request, env, ctx) =>
    rememberedAnswer(request, env, ctx) ?? (router.fetch(request, env, ctx) as Promise<Response>),
} satisfies ExportedHandler<Env>;
