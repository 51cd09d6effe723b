/** The token that opens one connection: EdDSA, for one edge, single use, short. */
import { randomUUID, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { TOKEN_SECONDS } from "../../edge/contract/messages.ts";

/**
 * `audience`: the edge's host and port as its URL has them, one of its EDGE_HOST. `now`: the time
 * of the edge's clock, ms since 1970.
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
