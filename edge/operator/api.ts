/** The operator API (contract/operator.ts): revoking origins, and what rests on them. */
import type { Env } from "../env.ts";
import { ORIGIN_NAME_PATTERN, ORIGIN_NAME_RULE } from "../contract/origin-name.ts";
import { RESTING_KINDS } from "../contract/operator.ts";
import { allFarms } from "../farm/farms.ts";
import { note } from "../log.ts";
import { RegistryError } from "../pull/errors.ts";
import { WITHDRAWN_MS } from "../store/fresh.ts";
import { openBucket } from "../store/open.ts";
import type { OperatorRequest } from "./authorize.ts";
import { findResting, withdraw } from "./resting.ts";

/** Records that one request looks at; a Worker may send 1,000 requests for one of a client's. */
const MAX_PAGE = 250;
const DEFAULT_PAGE = 100;

/** Ends the origin's connections in every farm, and refuses new ones of its name. */
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

/** Takes `revokeOrigin` back. */
export async function liftRevocation(request: OperatorRequest, env: Env): Promise<Response> {
  const origin = originOf(request);
  const lifted = await Promise.all(allFarms(env).map(({ farm }) => farm.reinstate(origin)));
  note("warn", "operator.lifted", { origin, account: request.operator });
  return json({ origin, lifted: lifted.includes(true) });
}

/** A page of what rests on an origin. */
export async function restingRecords(request: OperatorRequest, env: Env): Promise<Response> {
  return json(await findResting(openBucket(env), pageOf(request)));
}

/** The same page, after deleting the records that it lists. */
export async function withdrawRecords(request: OperatorRequest, env: Env): Promise<Response> {
  const bucket = openBucket(env);
  const wanted = pageOf(request);
  const page = await findResting(bucket, wanted);
  await withdraw(bucket, wanted.kind, page.found);
  const { kind, origin } = wanted;
  const keys = page.found.map(({ key }) => key);
  if (keys.length > 0)
    note("warn", "records.withdrawn", { origin, kind, keys, account: request.operator });
  return json(page);
}

export function originOf({ params }: OperatorRequest): string {
  const name = decodeURIComponent(params["origin"] ?? "");
  if (!ORIGIN_NAME_PATTERN.test(name)) throw wrong(`an origin's name is ${ORIGIN_NAME_RULE}`);
  return name;
}

function pageOf(request: OperatorRequest) {
  const { searchParams } = new URL(request.url);
  const asked = searchParams.get("kind");
  const kind = RESTING_KINDS.find((known) => known === asked);
  if (kind === undefined) throw wrong(`kind must be one of ${RESTING_KINDS.join(", ")}`);
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

export const wrong = (message: string): RegistryError =>
  new RegistryError({ code: "UNSUPPORTED", status: 400, message });

export const json = (value: object): Response =>
  Response.json(value, { headers: { "Cache-Control": "no-store" } });
