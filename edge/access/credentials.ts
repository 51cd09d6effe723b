/** What clients send to prove who they are: Basic and Bearer headers, and token scopes. */

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/** Longest header or parameter that is read, characters. */
const MAX_LENGTH = 1_024;
/** Most scopes of one token request; docker and containerd send one or two. */
export const MAX_SCOPES = 16;

/**
 * User and password of a Basic header (RFC 7617), or null. podman without credentials sends an
 * empty user and password (`Basic Og==`), which counts as none.
 */
export function basicCredentials(header: string | null): Credentials | null {
  const encoded = /^Basic +([A-Za-z0-9+/=_-]+)$/i.exec(header ?? "")?.[1];
  if (encoded === undefined || encoded.length > MAX_LENGTH) return null;
  let text: string;
  try {
    const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return null;
  }
  const colon = text.indexOf(":");
  if (colon < 0 || text === ":") return null;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** The token of a Bearer header (RFC 6750, section 2.1); null when there is none. */
export function bearerToken(header: string | null): string | null {
  return /^Bearer +([\w.~+/=-]+)$/i.exec(header ?? "")?.[1] ?? null;
}

/**
 * The image names for which scopes such as `repository:shell/git:pull` request pull access. One
 * parameter may hold several scopes, separated by spaces. Other types and actions are ignored:
 * there is nothing else to grant.
 */
export function imagesOfScopes(scopes: readonly string[]): string[] {
  const names = scopes
    .flatMap((scope) => scope.slice(0, MAX_LENGTH).split(" "))
    .map((scope) => /^repository(?:\([a-z]+\))?:([^:]+):([a-z*,]+)$/.exec(scope))
    .filter((match) => match?.[2]?.split(",").includes("pull") === true)
    .map((match) => match?.[1] ?? "");
  return [...new Set(names)].slice(0, MAX_SCOPES);
}
