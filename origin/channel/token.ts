/** The token that opens a connection: a JWT with EdDSA, for one edge, for a minute, for one use. */
import { randomUUID, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { TOKEN_SECONDS } from "../../edge/contract/messages.ts";

/**
 * Signs a token. `audience`: the edge's host and port as in its URL, one of its EDGE_HOST. `now`:
 * the time by the edge's clock, ms since 1970.
 */
export function signToken(
  key: KeyObject,
  name: string,
  audience: string,
  now = Date.now(),
): Promise<string> {
  const issuedAt = Math.floor(now / 1_000);
  return new SignJWT()
    .setProtectedHeader({ alg: "EdDSA" })
    .setSubject(name)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + TOKEN_SECONDS)
    .sign(key);
}
