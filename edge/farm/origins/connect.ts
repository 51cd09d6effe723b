/** The endpoint where origins connect: opens a WebSocket for an origin with a valid token. */
import type { Env } from "../../env.ts";
import { note } from "../../log.ts";
import { configuredOrigins } from "./configured-origins.ts";
import { continentOf, farmOf } from "../farms.ts";
import { readRegions, regionOfOrigin } from "../regions.ts";
import { type Caller, identify } from "./token.ts";

/**
 * The header by which the Worker tells the Farm object which origin it let in. The Farm can only be
 * reached through the Worker, which passes on none of the client's headers.
 */
export const CALLER_HEADER = "x-firn-caller";

/**
 * Answers CONNECT_PATH: 426 when it is not a WebSocket upgrade, 401 without a valid token (the
 * reason goes to the log, not to the client), else 101.
 */
export async function connectOrigin(
  request: Request,
  env: Env,
  _ctx: ExecutionContext,
): Promise<Response> {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("This address is for Firn's origins; it speaks WebSocket only.\n", {
      status: 426,
    });
  }
  const caller = await identify(request.headers.get("authorization"), env, Date.now());
  if ("refused" in caller) {
    note("warn", "origin.refused", {
      reason: caller.refused,
      address: request.headers.get("cf-connecting-ip"),
    });
    return unauthorized();
  }
  const { region } = configuredOrigins(env).get(caller.name) ?? {};
  const farm = farmOf(env, regionOfOrigin(readRegions(env), region, continentOf(request)));
  return farm.fetch("https://farm/connect", {
    headers: { upgrade: "websocket", [CALLER_HEADER]: JSON.stringify(caller satisfies Caller) },
  });
}

/**
 * The answer to everybody without a valid token (RFC 6750, section 3: a bare challenge tells an
 * attacker nothing). The Date header lets an origin notice that its clock is wrong.
 */
export function unauthorized(): Response {
  return new Response("A valid origin token is needed.\n", {
    status: 401,
    headers: { "www-authenticate": "Bearer", date: new Date().toUTCString() },
  });
}
