/**
 * Authentication and authorization of requests (distribution spec, "Token Authentication"): a 401
 * names the token endpoint; the client sends user and password there (token.ts), gets a token for
 * the image, and repeats the request with it.
 *
 *   GET /v2/shell/git/manifests/latest                        401 WWW-Authenticate: Bearer realm=…
 *   GET /token?service=HOST&scope=repository:shell/git:pull   200 {"token": …}  (Basic, or nobody)
 *   GET /v2/shell/git/manifests/latest                        200               (Bearer)
 */
import type { IRequestStrict } from "itty-router";
import type { Access } from "../access/access-config.ts";
import type { Caller } from "../access/accounts.ts";
import { bearerToken } from "../access/credentials.ts";
import { clientAddress, clientKey } from "../access/limits.ts";
import { type TokenContext, verifyToken } from "../access/token.ts";
import { type Config, isPrivate, readConfig, setsAccess } from "../config.ts";
import type { Env } from "../env.ts";
import type { Aliases } from "../contract/names.ts";
import { readAliases } from "../pull/aliases.ts";
import { openContext } from "../pull/context.ts";
import { type RegistryError, unauthorized } from "../pull/errors.ts";
import { spend } from "../pull/limits.ts";
import { requestedName } from "./request.ts";

export const TOKEN_PATH = "/token";

/** A request, and its sender once `authorize` has identified them. */
export type AuthorizedRequest = IRequestStrict & {
  caller?: Caller;
  /** What the aliases in the image's name stand for. */
  aliases?: Aliases;
};

/** `/v2/`, where docker and podman learn whether they can sign in. Throws UNAUTHORIZED (401). */
export async function authorizeBase(
  request: AuthorizedRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  // Without accounts it answers at once, even when the configuration is wrong.
  if (!setsAccess(env)) return;
  const config = await readConfig(env);
  if (config.access.tokenKey === null) return;
  const caller = await identify(request, config, null);
  if (!caller.hasToken) throw signIn(caller);
}

/**
 * For routes of an image: sets the request's caller and aliases. Throws MANIFEST_UNKNOWN (404) for
 * an alias that does not exist; UNAUTHORIZED (401) for a token that is invalid or not for this
 * image, and in a private registry without one; TOOMANYREQUESTS (429).
 */
export async function authorize(
  request: AuthorizedRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<void> {
  const { name, aliases } = requestedName(request);
  await admit(request, await readConfig(env), name);
  if (aliases.length === 0) return;
  const { bucket } = await openContext(request, env, ctx);
  request.aliases = await readAliases(bucket, { aliases });
}

async function admit(
  request: AuthorizedRequest,
  config: Config,
  image: string | null,
): Promise<void> {
  const caller = await identify(request, config, image);
  request.caller = caller;
  spend({ config, caller }, "requests");
  if (config.access.mode === "private" && caller.account === null) throw signIn(caller);
}

/** For other routes: sets the request's caller. Throws as `authorize` does. */
export async function authorizeAny(
  request: AuthorizedRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  await admit(request, await readConfig(env), null);
}

/**
 * For routes that check credentials themselves: counts the request for its address. Throws
 * TOOMANYREQUESTS (429).
 */
export async function limitRequests(
  request: IRequestStrict,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  const config = await readConfig(env);
  const client = clientKey(null, clientAddress(request, config.clientAddressHeader));
  spend({ config, caller: { client } }, "requests");
}

/** Makes a private registry's answers `private`, so that no shared cache keeps one. */
export function privately(response: Response, _request: IRequestStrict, env: Env): Response {
  if (!isPrivate(env)) return response;
  const caching = response.headers.get("Cache-Control");
  if (caching?.startsWith("public") !== true) return response;
  const copy = new Response(response.body, response);
  copy.headers.set("Cache-Control", caching.replace("public", "private"));
  return copy;
}

/**
 * Identifies the sender of a request. `image`: the name that is requested, or null. Throws
 * UNAUTHORIZED (401) for a token that is invalid, of a removed account, or not for this image.
 */
async function identify(
  request: IRequestStrict,
  config: Config,
  image: string | null,
): Promise<Caller> {
  const { access } = config;
  const address = clientAddress(request, config.clientAddressHeader);
  const nobody = { account: null, hasToken: false, client: clientKey(null, address) };
  if (access.tokenKey === null) return { ...nobody, challenge: null };

  const context = tokenContext(request, access);
  const challenge = (error?: string): string =>
    [
      `Bearer realm="${context.url}${TOKEN_PATH}"`,
      `service="${context.audience}"`,
      ...(image === null ? [] : [`scope="repository:${image}:pull"`]),
      ...(error === undefined ? [] : [`error="${error}"`]),
    ].join(",");
  const sent = bearerToken(request.headers.get("Authorization"));
  if (sent === null) return { ...nobody, challenge: challenge() };

  const grant = await verifyToken(sent, context);
  const account = grant?.account == null ? null : access.accounts.get(grant.account);
  if (grant === null || account === undefined)
    throw unauthorized("the token is not valid, or has expired", challenge("invalid_token"));
  if (image !== null && !grant.images.includes(image))
    throw unauthorized(`the token is not for ${image}`, challenge("insufficient_scope"));
  const client = clientKey(account?.name ?? null, address);
  return { account, hasToken: true, client, challenge: challenge() };
}

const signIn = ({ challenge }: Caller): RegistryError =>
  unauthorized("sign in first: docker login", challenge ?? "Basic");

/** Key, audience and clock for tokens, and the registry's own URL, for this request. */
export function tokenContext(
  { url }: IRequestStrict,
  { url: configured, tokenKey }: Access,
): TokenContext & { readonly url: string } {
  if (tokenKey === null) throw new TypeError("there is no TOKEN_KEY to sign or check tokens with");
  const origin = configured ?? new URL(url).origin;
  return { url: origin, audience: new URL(origin).host, key: tokenKey, now: Date.now() };
}
