/** The operator API (contract/operator.ts): revoking origins, and withdrawing their records. */
import type { Env } from "../env.ts";
import { ORIGIN_RECORD_KINDS } from "../contract/operator.ts";
import { allFarms } from "../farm/farms.ts";
import { note } from "../log.ts";
import { WITHDRAWN_MS } from "../store/fresh.ts";
import { openBucket } from "../store/open.ts";
import type { OperatorRequest } from "./authorize.ts";
import { findOriginRecords, withdraw } from "./origin-records.ts";
import { json, originOf, wrong } from "./requests.ts";

/** Most records that one request reads; a Worker may send 1,000 requests while it answers one. */
const MAX_PAGE = 250;
const DEFAULT_PAGE = 100;

/** Ends the origin's connections in every farm, and refuses new ones under its name. */
export async function revokeOrigin(request: OperatorRequest, env: Env): Promise<Response> {
  const origin = originOf(request);
  const connected = await Promise.all(allFarms(env).map(({ farm }) => farm.revoke(origin)));
  note("warn", "operator.revoked", { origin, account: request.operator });
  return json({
    origin,
    connected: connected.includes(true),
    at: Date.now(),
    memoryMs: WITHDRAWN_MS,
  });
}

/** Undoes `revokeOrigin`. */
export async function liftRevocation(request: OperatorRequest, env: Env): Promise<Response> {
  const origin = originOf(request);
  const lifted = await Promise.all(allFarms(env).map(({ farm }) => farm.reinstate(origin)));
  note("warn", "operator.lifted", { origin, account: request.operator });
  return json({ origin, lifted: lifted.includes(true) });
}

/** A page of the records that rest on an origin. */
export async function originRecords(request: OperatorRequest, env: Env): Promise<Response> {
  return json(await findOriginRecords(openBucket(env), pageOf(request)));
}

/**
 * Deletes a page of those records, and lists them. Throws when the bucket keeps one of them: those
 * that are deleted are in the log all the same.
 */
export async function withdrawRecords(request: OperatorRequest, env: Env): Promise<Response> {
  const bucket = openBucket(env);
  const wanted = pageOf(request);
  const page = await findOriginRecords(bucket, wanted);
  const { kind, origin } = wanted;
  const { keys, failure } = await withdraw(bucket, kind, page.found);
  if (keys.length > 0)
    note("warn", "records.withdrawn", { origin, kind, keys, account: request.operator });
  if (failure !== undefined) throw failure;
  return json(page);
}

function pageOf(request: OperatorRequest) {
  const { searchParams } = new URL(request.url);
  const asked = searchParams.get("kind");
  const kind = ORIGIN_RECORD_KINDS.find((known) => known === asked);
  if (kind === undefined) throw wrong(`kind must be one of ${ORIGIN_RECORD_KINDS.join(", ")}`);
  const number = (name: string, preset: number, max: number): number => {
    const text = searchParams.get(name);
    if (text === null) return preset;
    if (!/^\d{1,15}$/.test(text) || Number(text) > max)
      throw wrong(`${name} must be a whole number, at most ${max}`);
    return Number(text);
  };
  return {
    kind,
    origin: originOf(request),
    since: number("since", 0, Number.MAX_SAFE_INTEGER),
    limit: Math.max(1, number("limit", DEFAULT_PAGE, MAX_PAGE)),
    after: searchParams.get("after") ?? undefined,
  };
}
