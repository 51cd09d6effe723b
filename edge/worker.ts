/** The Worker: routes, and nothing else. */
import { Router } from "itty-router";
import { isPrivate } from "./config.ts";
import { ALIASES_PATH } from "./contract/alias.ts";
import { DEMAND_PATH, DIFF_PATH, FAILURES_PATH, IMAGES_PATH, SEARCH_PATH } from "./contract/api.ts";
import { GC_PATH, PINS_PATH } from "./contract/housekeeping.ts";
import { CONNECT_PATH } from "./contract/messages.ts";
import { METRICS_PATH, OPERATOR_PATH } from "./contract/operator.ts";
import { VERIFY_PATH } from "./contract/verify.ts";
import type { Env } from "./env.ts";
import { connectOrigin } from "./farm/origins/connect.ts";
import { BUILDS_PATH } from "./pull/build-log.ts";
import { rememberedAnswer } from "./registry/answers.ts";
import {
  type AuthorizedRequest,
  authorize,
  authorizeBase,
  limitRequests,
  privately,
  TOKEN_PATH,
} from "./registry/authorize.ts";
import {
  base,
  noCatalog,
  notFound,
  prepare,
  refuseLong,
  refuseWrites,
  welcome,
} from "./registry/base.ts";
import { blobs } from "./registry/blobs.ts";
import { buildLog } from "./registry/build-log.ts";
import { tagsList } from "./registry/discovery.ts";
import { errorResponse } from "./registry/errors.ts";
import { manifests } from "./registry/manifests.ts";
import { byMethod } from "./registry/methods.ts";
import { referrers } from "./registry/referrers.ts";
import { slowDown } from "./registry/slow-down.ts";
import { token } from "./registry/token.ts";
import { makeAlias, showAlias } from "./api/aliases.ts";
import { demand } from "./api/demand.ts";
import { diff } from "./api/diff.ts";
import { failures } from "./api/failures.ts";
import { image } from "./api/image.ts";
import { search } from "./api/search.ts";
import { authorizeAccount } from "./api/sign-in.ts";
import { browsers } from "./site/browsers.ts";
import { asset, SITE_PATH } from "./site/serve.ts";
import { authorizeOperator, authorizeViewer } from "./operator/authorize.ts";
import { drainOrigin, restOrigin, undrainOrigin } from "./operator/drain-and-rest.ts";
import { farmState } from "./operator/farm-state.ts";
import { metrics } from "./operator/metrics.ts";
import { liftRevocation, originRecords, revokeOrigin, withdrawRecords } from "./operator/revoke.ts";
import { beginGc, repairObject, stepGc, verifyPage } from "./housekeeping/api.ts";
import { listPins, pinImage } from "./housekeeping/pins.ts";

export { Build } from "./farm/builds/build.ts";
export { Farm } from "./farm/farm.ts";
export { Housekeeping } from "./housekeeping/housekeeping.ts";
export { Totals } from "./pull/totals.ts";

const router = Router<AuthorizedRequest, [Env, ExecutionContext]>({
  catch: (error: unknown, request: Request) => slowDown(errorResponse(error, request)),
  finally: [privately],
});

// A name may itself contain `manifests` or `blobs`. `:name+` is greedy, so the last one in the path
// belongs to the route.
router
  .all("*", refuseLong)
  .all(CONNECT_PATH, limitRequests, byMethod({ GET: connectOrigin }))
  .all(TOKEN_PATH, limitRequests, byMethod({ GET: token, POST: token }))
  .all(METRICS_PATH, limitRequests, authorizeOperator, byMethod({ GET: metrics }))
  .all(OPERATOR_PATH, limitRequests, authorizeViewer, byMethod({ GET: farmState }))
  .all(`${OPERATOR_PATH}/*`, limitRequests, authorizeOperator)
  .all(
    `${OPERATOR_PATH}/origins/:origin/revoke`,
    byMethod({ POST: revokeOrigin, DELETE: liftRevocation }),
  )
  .all(
    `${OPERATOR_PATH}/origins/:origin/drain`,
    byMethod({ POST: drainOrigin, DELETE: undrainOrigin }),
  )
  .all(`${OPERATOR_PATH}/origins/:origin/rest`, byMethod({ POST: restOrigin }))
  .all(
    `${OPERATOR_PATH}/origins/:origin/records`,
    byMethod({ GET: originRecords, DELETE: withdrawRecords }),
  )
  .all(VERIFY_PATH, byMethod({ GET: verifyPage, POST: repairObject }))
  .all(PINS_PATH, byMethod({ GET: listPins, POST: pinImage, DELETE: pinImage }))
  .all(GC_PATH, byMethod({ POST: beginGc }))
  .all(`${GC_PATH}/:run`, byMethod({ POST: stepGc }))
  .all(ALIASES_PATH, authorizeAccount, byMethod({ POST: makeAlias }))
  .all("*", refuseWrites)
  .all(`${SITE_PATH}:file`, asset)
  .all("*", browsers)
  .all("/v2", prepare, authorizeBase, base)
  .all("/v2/_catalog", authorizeBase, noCatalog)
  .all("/v2/:name+/manifests/:reference", authorize, manifests)
  .all("/v2/:name+/blobs/:digest", authorize, blobs)
  .all("/v2/:name+/tags/list", authorize, tagsList)
  .all("/v2/:name+/referrers/:digest", authorize, referrers)
  .all(`${ALIASES_PATH}/:key`, authorizeAccount, showAlias)
  .all(SEARCH_PATH, authorizeAccount, search)
  .all(`${IMAGES_PATH}:name+`, authorizeAccount, image)
  .all(DIFF_PATH, authorizeAccount, diff)
  .all(FAILURES_PATH, authorizeAccount, failures)
  .all(DEMAND_PATH, authorizeAccount, demand)
  .all(`${BUILDS_PATH}:id`, authorizeAccount, buildLog)
  .all("/", welcome)
  .all("*", notFound);

export default {
  fetch: (request, env, ctx) =>
    // A private registry answers nothing from memory until the request is authorized.
    (isPrivate(env) ? null : rememberedAnswer(request, env, ctx)) ??
    (router.fetch(request, env, ctx) as Promise<Response>),
} satisfies ExportedHandler<Env>;
