/**
 * How a registry wants to be asked (RFC 9110, section 11.6.1; distribution's token authentication):
 * a 401 names a scheme, Basic or Bearer, and for Bearer the server that gives tokens. A token is
 * for scopes (`repository:team/app:pull,push`) and is used again for the same.
 */
import * as v from "valibot";
import { CommandFailed } from "../commands/exit-codes.ts";
import type { Credentials } from "./credentials.ts";

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/**
 * The challenge of a WWW-Authenticate header that is met: a token where it is offered, else a
 * password; undefined where it asks for neither. A header may hold several, and so may an answer,
 * which fetch joins with commas:
 *
 *   Negotiate, Basic realm="Registry", Bearer realm="https://auth.example/token",service="x"
 */
export function parseChallenge(header: string | null): Challenge | undefined {
  const challenges = parseChallenges(header ?? "");
  return ["bearer", "basic"]
    .map((wanted) => challenges.find(({ scheme }) => scheme === wanted))
    .find((found) => found !== undefined);
}

/** A scheme, or a parameter of the scheme before it, whose value may be quoted. */
const SCHEME_OR_PARAMETER = /([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+)))?/g;

function parseChallenges(header: string): Challenge[] {
  const found: { scheme: string; parameters: Record<string, string> }[] = [];
  for (const [, word = "", quoted, bare] of header.matchAll(SCHEME_OR_PARAMETER)) {
    const value = quoted?.replaceAll(/\\(.)/g, "$1") ?? bare;
    const challenge = found.at(-1);
    if (value === undefined) found.push({ scheme: word.toLowerCase(), parameters: {} });
    else if (challenge !== undefined) challenge.parameters[word.toLowerCase()] = value;
  }
  return found;
}

/** The Authorization header for a password (RFC 7617). */
export const basicAuthorization = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

const TokenSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ token: v.optional(v.string()), access_token: v.optional(v.string()) }),
);

/** The name of this program for token servers. */
const CLIENT_ID = "firn";

/** What is needed to answer a challenge; `signal` ends the wait for the token server. */
export interface SignIn {
  readonly credentials: Credentials | undefined;
  readonly signal: AbortSignal;
}

/**
 * What stands in Authorization to meet a challenge; undefined where it takes credentials, and there
 * are none. Throws a CommandFailed when the token server refuses.
 */
export async function authorize(
  { scheme, parameters }: Challenge,
  scopes: readonly string[],
  { credentials, signal }: SignIn,
): Promise<string | undefined> {
  if (scheme === "basic")
    return credentials !== undefined && "user" in credentials
      ? basicAuthorization(credentials.user, credentials.password)
      : undefined;
  const realm = URL.parse(parameters["realm"] ?? "");
  if (realm === null || !/^https?:$/.test(realm.protocol))
    throw new CommandFailed("denied", "the registry's challenge names no token server");
  const service = parameters["service"];
  const { url, ...request } =
    credentials !== undefined && "identityToken" in credentials
      ? tokenByIdentity(realm, scopes, service, credentials.identityToken)
      : tokenByPassword(realm, scopes, service, credentials);
  const response = await fetch(url, { ...request, signal });
  const text = await response.text();
  if (!response.ok)
    throw new CommandFailed(
      response.status === 401 || response.status === 403 ? "denied" : "later",
      `${realm.host} refuses a token (${response.status})` +
        (credentials === undefined ? ": sign in with `docker login`" : ""),
    );
  const parsed = v.safeParse(TokenSchema, text);
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token) : undefined;
  if (token === undefined) throw new Error(`${realm.host} answered without a token`);
  return `Bearer ${token}`;
}

/** A request for a token. */
type TokenRequest = RequestInit & { readonly url: URL };

function tokenByPassword(
  realm: URL,
  scopes: readonly string[],
  service: string | undefined,
  credentials: Extract<Credentials, { user: string }> | undefined,
): TokenRequest {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  if (credentials === undefined) return { url };
  const authorization = basicAuthorization(credentials.user, credentials.password);
  return { url, headers: { authorization } };
}

/** OAuth 2's way, for identity tokens (distribution, spec/auth/oauth.md). */
function tokenByIdentity(
  realm: URL,
  scopes: readonly string[],
  service: string | undefined,
  identityToken: string,
): TokenRequest {
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: CLIENT_ID,
    refresh_token: identityToken,
    scope: scopes.join(" "),
    ...(service === undefined ? {} : { service }),
  });
  return { url: realm, method: "POST", body };
}
