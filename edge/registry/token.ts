/** The token endpoint, `GET|POST /token`: user and password in, a token for images out. */
import type { IRequestStrict } from "itty-router";
import type { Account } from "../access/accounts.ts";
import { basicCredentials, type Credentials, imagesOfScopes } from "../access/credentials.ts";
import { clientAddress, clientKey } from "../access/limits.ts";
import { loginKey, rememberRight, wasRight } from "../access/logins.ts";
import { signToken, TOKEN_SECONDS } from "../access/token.ts";
import { type Config, readConfig } from "../config.ts";
import { verifyPassword } from "../contract/account.ts";
import type { Env } from "../env.ts";
import { RegistryError, unauthorized } from "../pull/errors.ts";
import { spend, spendTogether } from "../pull/limits.ts";
import { note } from "../log.ts";
import { tokenContext } from "./authorize.ts";
import { notFound } from "./base.ts";
import { textOf } from "./body.ts";
import { API_VERSION } from "./headers.ts";

/** Longest form that a client posts, bytes. */
const MAX_FORM_BYTES = 16_384;
const BASIC = 'Basic realm="firn"';

interface TokenRequest {
  readonly credentials: Credentials | null;
  readonly scopes: readonly string[];
}

/**
 * Throws UNAUTHORIZED (401) for a wrong user or password, TOOMANYREQUESTS (429) for too many
 * attempts.
 */
export async function token(request: IRequestStrict, env: Env): Promise<Response> {
  const config = await readConfig(env);
  const { access } = config;
  if (access.tokenKey === null) notFound();
  const asked = request.method === "POST" ? await readForm(request) : readQuery(request);
  if (asked === null) return oauthError("unsupported_grant_type");

  const address = clientAddress(request, config.clientAddressHeader);
  const account =
    asked.credentials === null ? null : await signIn(config, asked.credentials, address);
  if (account === undefined) {
    const user = asked.credentials?.user.slice(0, 64);
    note("warn", "login.failed", { user, address });
    throw unauthorized("the user or the password is wrong", BASIC);
  }
  if (account === null && access.mode === "private")
    throw unauthorized("this registry is private: sign in with docker login", BASIC);

  const context = tokenContext(request, access);
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

/** As docker and podman do: Basic credentials, or none, and the scopes in the query. */
const readQuery = (request: IRequestStrict): TokenRequest => ({
  credentials: basicCredentials(request.headers.get("Authorization")),
  scopes: new URL(request.url).searchParams.getAll("scope"),
});

/**
 * As containerd does: a form with user and password (OAuth 2, RFC 6749, section 4.3.2). Null for
 * any other grant: there are no refresh tokens here.
 */
async function readForm(request: IRequestStrict): Promise<TokenRequest | null> {
  const text = await textOf(request, MAX_FORM_BYTES);
  if (text === null)
    throw new RegistryError({
      code: "UNSUPPORTED",
      status: 413,
      message: `the form of a token request may have at most ${MAX_FORM_BYTES} bytes`,
    });
  const form = new URLSearchParams(text);
  if (form.get("grant_type") !== "password") return null;
  const user = form.get("username") ?? "";
  const password = form.get("password") ?? "";
  return {
    credentials: user === "" && password === "" ? null : { user, password },
    scopes: form.getAll("scope"),
  };
}

/** RFC 6749, section 5.2. containerd then asks with GET. */
const oauthError = (error: string): Response =>
  Response.json({ error }, { status: 400, headers: { "Cache-Control": "no-store" } });

/**
 * The account of these credentials; undefined when user or password are wrong. Throws
 * TOOMANYREQUESTS (429), before hashing, when too many passwords were tried.
 */
export async function signIn(
  config: Config,
  credentials: Credentials,
  address: string | null,
): Promise<Account | undefined> {
  const account = config.access.accounts.get(credentials.user);
  const key = await loginKey(credentials, account?.password);
  if (wasRight(key)) return account;
  spend({ config, caller: { client: clientKey(null, address) } }, "logins");
  spendTogether(config, "passwords");
  if (!(await verifyPassword(credentials.password, account?.password))) return undefined;
  rememberRight(key);
  return account;
}
