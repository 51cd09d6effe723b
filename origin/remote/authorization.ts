/**
 * How a registry wants to be asked (RFC 9110, section 11.6.1; distribution's token authentication):
 * a 401 names a scheme, Basic or Bearer, and for Bearer the server that gives tokens. A token is for
 * scopes (`repository:team/app:pull,push`) and is used again for the same.
 */
import * as v from "valibot";
import { CommandFailed } from "../commands/exit-codes.ts";
import type { Credentials } from "./credentials.ts";

export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** The first challenge of a WWW-Authenticate header that can be met; undefined for none. */
export function parseChallenge(header: string | null): Challenge | undefined {
  const match = /^\s*(basic|bearer)\b(.*)$/is.exec(header ?? "");
  if (match === null) return undefined;
  const [, scheme = "", rest = ""] = match;
  const parameters = Object.fromEntries(
    Array.from(
      rest.matchAll(/([a-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/gi),
      ([, name = "", quoted, bare]) => [
        name.toLowerCase(),
        quoted === undefined ? (bare ?? "") : quoted.replaceAll(/\\(.)/g, "$1"),
      ],
    ),
  );
  return { scheme: scheme.toLowerCase(), parameters };
}

/** What stands in Authorization for a password. */
export const basicAuthorization = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

const TokenSchema = v.pipe(
  v.string(),
  v.parseJson(),
  v.object({ token: v.optional(v.string()), access_token: v.optional(v.string()) }),
);

/** What names this program at token servers that ask. */
const CLIENT_ID = "firn";

/**
 * What stands in Authorization to meet a challenge; undefined where it takes credentials, and there
 * are none. Throws a CommandFailed when the token server refuses.
 */
export async function authorize(
  { scheme, parameters }: Challenge,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): Promise<string | undefined> {
  if (scheme === "basic")
    return credentials !== undefined && "user" in credentials
      ? basicAuthorization(credentials.user, credentials.password)
      : undefined;
  const realm = URL.parse(parameters["realm"] ?? "");
  if (realm === null || !/^https?:$/.test(realm.protocol))
    throw new CommandFailed("denied", "the registry names no server that gives tokens");
  const service = parameters["service"];
  const response =
    credentials !== undefined && "identityToken" in credentials
      ? await askByIdentity(realm, scopes, service, credentials.identityToken)
      : await ask(realm, scopes, service, credentials);
  const text = await response.text();
  if (!response.ok)
    throw new CommandFailed(
      response.status === 401 || response.status === 403 ? "denied" : "later",
      `${realm.host} gives no token (${response.status})` +
        (credentials === undefined ? ": sign in with `docker login`" : ""),
    );
  const parsed = v.safeParse(TokenSchema, text);
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token) : undefined;
  if (token === undefined) throw new Error(`${realm.host} gave no token that can be read`);
  return `Bearer ${token}`;
}

function ask(
  realm: URL,
  scopes: readonly string[],
  service: string | undefined,
  credentials: Extract<Credentials, { user: string }> | undefined,
): Promise<Response> {
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  const headers =
    credentials === undefined
      ? {}
      : { authorization: basicAuthorization(credentials.user, credentials.password) };
  return fetch(url, { headers });
}

/** OAuth 2's way, for identity tokens (distribution, spec/auth/oauth.md). */
function askByIdentity(
  realm: URL,
  scopes: readonly string[],
  service: string | undefined,
  identityToken: string,
): Promise<Response> {
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    client_id: CLIENT_ID,
    refresh_token: identityToken,
    scope: scopes.join(" "),
    ...(service === undefined ? {} : { service }),
  });
  return fetch(realm, { method: "POST", body });
}
