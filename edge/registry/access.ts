/**
 * Signing in, as docker's registry does it (distribution spec, "Token Authentication"): a 401 names
 * the token endpoint, the client brings its user and password there, gets a token for the image, and
 * asks again with it.
 *
 *   GET /v2/shell/git/manifests/latest                        401, WWW-Authenticate: Bearer realm="…/token",…
 *   GET /token?service=HOST&scope=repository:shell/git:pull   200 {"token": …}      (Basic, or nobody)
 *   GET /v2/shell/git/manifests/latest                        200                   (Bearer)
 */
import type { IRequestStrict } from "itty-router";
import type { Access } from "../access/access.ts";
import type { Account, Caller } from "../access/accounts.ts";
import {
  basicCredentials,
  bearerToken,
  type Credentials,
  imagesOfScopes,
} from "../access/credentials.ts";
import { signToken, TOKEN_SECONDS, type TokenContext, verifyToken } from "../access/token.ts";
import { readConfig } from "../config.ts";
import { verifyPassword } from "../contract/account.ts";
import type { Env } from "../env.ts";
import { RegistryError, unauthorized } from "../pull/errors.ts";
import { notFound } from "./base.ts";
import { API_VERSION } from "./headers.ts";
import { requestedImage } from "./request.ts";

export const TOKEN_PATH = "/token";
/** Longest form that a client posts, bytes. */
const MAX_FORM_BYTES = 16_384;

/** A request, and who sent it once `authorize` has found out. */
export type AuthorizedRequest = IRequestStrict & { caller?: Caller };

/** Whether every request must be authorized before anything is answered. */
export const isPrivate = (env: Env): boolean => env.ACCESS === "private";

/** `/v2/`: where docker and podman find out that they may sign in. Throws UNAUTHORIZED (401). */
export async function authorizeBase(
  request: AuthorizedRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  // Without accounts this waits for nothing, not even for the configuration to be right.
  if (!env.ACCOUNTS && !env.ACCESS) return;
  const { access } = await readConfig(env);
  if (access.tokenKey === null) return;
  const caller = await identify(request, access, null);
  if (!caller.hasToken) throw signIn(caller);
}

/**
 * Any route of an image: finds out who asks. Throws UNAUTHORIZED (401) for a token that is not
 * valid, or is not for this image, and in a private registry for no token.
 */
export async function authorize(
  request: AuthorizedRequest,
  env: Env,
  _ctx: ExecutionContext,
): Promise<void> {
  const { name } = requestedImage(request);
  const { access } = await readConfig(env);
  if (access.tokenKey === null) return;
  request.caller = await identify(request, access, name);
  if (access.mode === "private" && request.caller.account === null) throw signIn(request.caller);
}

/** A private registry's answers are for whoever asked: no shared cache may keep one. */
export function privately(response: Response, _request: IRequestStrict, env: Env): Response {
  if (!isPrivate(env)) return response;
  const caching = response.headers.get("Cache-Control");
  if (caching?.startsWith("public") !== true) return response;
  const copy = new Response(response.body, response);
  copy.headers.set("Cache-Control", caching.replace("public", "private"));
  return copy;
}

/** `GET|POST /token`. Throws UNAUTHORIZED (401) for a wrong user or password. */
export async function token(request: IRequestStrict, env: Env): Promise<Response> {
  const { access } = await readConfig(env);
  if (access.tokenKey === null) notFound();
  const asked = request.method === "POST" ? await readForm(request) : readQuery(request);
  if (asked === null) return oauthError("unsupported_grant_type");

  const account = asked.credentials === null ? null : await signedIn(access, asked.credentials);
  if (account === undefined) {
    const { user } = asked.credentials ?? { user: "" };
    const address = request.headers.get("cf-connecting-ip");
    console.warn(
      JSON.stringify({ level: "warn", event: "login.failed", user: user.slice(0, 64), address }),
    );
    throw unauthorized("the user or the password is wrong", BASIC);
  }
  if (account === null && access.mode === "private")
    throw unauthorized("this registry is private: sign in with docker login", BASIC);

  const context = contextOf(request, access);
  const grant = { account: account?.name ?? null, images: imagesOfScopes(asked.scopes) };
  const signed = await signToken(grant, context);
  const body = {
    token: signed,
    access_token: signed,
    expires_in: TOKEN_SECONDS,
    issued_at: new Date(context.now).toISOString(),
  };
  return Response.json(body, { headers: { ...API_VERSION, "Cache-Control": "no-store" } });
}

const BASIC = 'Basic realm="firn"';

interface Asked {
  readonly credentials: Credentials | null;
  readonly scopes: readonly string[];
}

/** docker's and podman's way: Basic credentials, or none, and the scopes in the query. */
const readQuery = (request: IRequestStrict): Asked => ({
  credentials: basicCredentials(request.headers.get("Authorization")),
  scopes: new URL(request.url).searchParams.getAll("scope"),
});

/**
 * containerd's way: a form with user and password (OAuth 2, RFC 6749, section 4.3.2). Null for every
 * other grant: there are no refresh tokens here.
 */
async function readForm(request: IRequestStrict): Promise<Asked | null> {
  if (Number(request.headers.get("Content-Length") ?? "0") > MAX_FORM_BYTES) throw tooLong();
  const text = await request.text();
  if (text.length > MAX_FORM_BYTES) throw tooLong();
  const form = new URLSearchParams(text);
  if (form.get("grant_type") !== "password") return null;
  const user = form.get("username") ?? "";
  const password = form.get("password") ?? "";
  return {
    credentials: user === "" && password === "" ? null : { user, password },
    scopes: form.getAll("scope"),
  };
}

const tooLong = (): RegistryError =>
  new RegistryError({
    code: "UNSUPPORTED",
    status: 413,
    message: `the form of a token request has at most ${MAX_FORM_BYTES} bytes`,
  });

/** RFC 6749, section 5.2. containerd then asks with GET. */
const oauthError = (error: string): Response =>
  Response.json({ error }, { status: 400, headers: { "Cache-Control": "no-store" } });

/** The account of these credentials; undefined when user or password are wrong. */
async function signedIn(
  { accounts }: Access,
  { user, password }: Credentials,
): Promise<Account | undefined> {
  const account = accounts.get(user);
  return (await verifyPassword(password, account?.password)) ? account : undefined;
}

/**
 * Who sent a request. `image`: the name that it is for, null for none. Throws UNAUTHORIZED (401) for
 * a token that is not valid, of an account that is gone, or not for this image.
 */
async function identify(
  request: IRequestStrict,
  access: Access,
  image: string | null,
): Promise<Caller> {
  const context = contextOf(request, access);
  const challenge = (error?: string): string =>
    [
      `Bearer realm="${context.url}${TOKEN_PATH}"`,
      `service="${context.audience}"`,
      ...(image === null ? [] : [`scope="repository:${image}:pull"`]),
      ...(error === undefined ? [] : [`error="${error}"`]),
    ].join(",");
  const sent = bearerToken(request.headers.get("Authorization"));
  if (sent === null) return { account: null, hasToken: false, challenge: challenge() };

  const grant = await verifyToken(sent, context);
  const account = grant?.account == null ? null : access.accounts.get(grant.account);
  if (grant === null || account === undefined)
    throw unauthorized("the token is not valid, or has expired", challenge("invalid_token"));
  if (image !== null && !grant.images.includes(image))
    throw unauthorized(`the token is not for ${image}`, challenge("insufficient_scope"));
  return { account, hasToken: true, challenge: challenge() };
}

const signIn = ({ challenge }: Caller): RegistryError =>
  unauthorized("sign in first: docker login", challenge ?? BASIC);

/** Key, audience and clock of tokens, and the registry's own URL, for this request. */
function contextOf(
  { url }: IRequestStrict,
  { url: configured, tokenKey }: Access,
): TokenContext & { readonly url: string } {
  if (tokenKey === null) throw new TypeError("there is no TOKEN_KEY to sign or check tokens with");
  const origin = configured ?? new URL(url).origin;
  return { url: origin, audience: new URL(origin).host, key: tokenKey, now: Date.now() };
}
