/** The variables of access control: ACCESS, ACCOUNTS, TOKEN_KEY, REGISTRY_URL. */
import { type AccessMode, ACCESS_MODES, type Account, parseAccounts } from "./accounts.ts";

export interface Access {
  readonly mode: AccessMode;
  /** By name. */
  readonly accounts: ReadonlyMap<string, Account>;
  /** The key that signs tokens; null when nobody can sign in. */
  readonly tokenKey: Uint8Array | null;
  /** The registry's URL as clients know it, without trailing `/`; null: taken from the request. */
  readonly url: string | null;
}

export interface AccessVariables {
  readonly ACCESS?: string;
  readonly ACCOUNTS?: string;
  readonly TOKEN_KEY?: string;
  readonly REGISTRY_URL?: string;
}

/** Shortest TOKEN_KEY, characters: HS256 asks for 256 bits (RFC 7518, section 3.2). */
const MIN_TOKEN_KEY = 32;

/** Throws an Error that names the wrong variable and what it may be. Shows no secret. */
export function readAccess(variables: AccessVariables): Access {
  const mode = ACCESS_MODES.find((name) => name === (variables.ACCESS || "public"));
  if (mode === undefined) throw new Error(`ACCESS must be one of ${ACCESS_MODES.join(", ")}`);
  const accounts = parseAccounts(variables.ACCOUNTS ?? "");
  if (mode !== "public" && accounts.size === 0)
    throw new Error(`ACCESS=${mode} needs ACCOUNTS: \`firn user NAME\` makes an account`);
  const key = variables.TOKEN_KEY ?? "";
  if (accounts.size > 0 && key.length < MIN_TOKEN_KEY)
    throw new Error(`ACCOUNTS needs TOKEN_KEY: a secret of ${MIN_TOKEN_KEY} characters or more`);
  const url = variables.REGISTRY_URL || null;
  if (url !== null && (!URL.canParse(url) || !/^https?:\/\/[^/]+\/?$/.test(url)))
    throw new Error("REGISTRY_URL must be http:// or https://, a host, and nothing behind it");
  return {
    mode,
    accounts,
    tokenKey: accounts.size > 0 ? new TextEncoder().encode(key) : null,
    url: url?.replace(/\/$/, "") ?? null,
  };
}
