/**
 * The endpoint to which origins connect: the Worker checks the token, and the Farm object of the
 * origin's region opens the WebSocket.
 */
import type { Env } from "../../env.ts";
import { note } from "../../log.ts";
import { configuredOrigins } from "./configured-origins.ts";
import { continentOf, farmOf } from "../farms.ts";
import { readRegions, regionOfOrigin } from "../regions.ts";
import type { Attachment } from "./sockets.ts";
import { type Caller, identify } from "./token.ts";
import type { UsedTokens } from "./used-tokens.ts";

/**
 * The header in which the Worker tells the Farm object which origin it admitted. The Farm can be
 * reached only through the Worker, which passes on none of the client's headers.
 */
const CALLER_HEADER = "x-firn-caller";

/**
 * Answers CONNECT_PATH: 426 when it is not a WebSocket upgrade, 401 without a valid token (the
 * reason goes to the log, not to the client), otherwise 101.
 */
export async function connectOrigin(
  request: Request,
  env: Env,
  _ctx: ExecutionContext,
): Promise<Response> {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
    return new Response("This address is for Firn's origins, which connect by WebSocket.\n", {
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

/** What the Farm object needs to accept a connection. */
interface Accepting {
  readonly ctx: DurableObjectState;
  readonly usedTokens: UsedTokens;
  readonly isRevoked: (origin: string) => boolean;
}

/**
 * In the Farm object: accepts the connection of an origin that connectOrigin admitted; 401 for a
 * token that was used before, and for a revoked origin.
 */
export function acceptConnection(
  request: Request,
  { ctx, usedTokens, isRevoked }: Accepting,
): Response {
  const caller = JSON.parse(request.headers.get(CALLER_HEADER) ?? "null") as Caller | null;
  const now = Date.now();
  if (caller === null || !usedTokens.redeem(caller, now)) {
    note("warn", "origin.refused", { origin: caller?.name, reason: "the token was used before" });
    return unauthorized();
  }
  if (isRevoked(caller.name)) {
    note("warn", "origin.refused", { origin: caller.name, reason: "it was revoked" });
    return unauthorized();
  }
  const { 0: client, 1: server } = new WebSocketPair();
  ctx.acceptWebSocket(server, [caller.name]);
  server.serializeAttachment({
    connection: crypto.randomUUID(),
    name: caller.name,
    key: caller.key,
    connectedAt: now,
    hello: false,
  } satisfies Attachment);
  return new Response(null, { status: 101, webSocket: client });
}

/**
 * The answer to every request without a valid token (RFC 6750, section 3: a bare challenge tells an
 * attacker nothing). The Date header lets an origin notice that its clock is wrong.
 */
function unauthorized(): Response {
  return new Response("A valid origin token is needed.\n", {
    status: 401,
    headers: { "www-authenticate": "Bearer", date: new Date().toUTCString() },
  });
}
