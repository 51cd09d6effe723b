/** The token that opens one connection: EdDSA, for one edge, single use, short. */
import { randomUUID, type KeyObject } from "node:crypto";
import { SignJWT } from "jose";
import { TOKEN_SECONDS } from "../../edge/contract/messages.ts";

/** `audience`: the edge's host and port as its URL has them, one of its EDGE_HOST. */
export function signToken(key: KeyObject, name: string, audience: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: "EdDSA" })
    .setSubject(name)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt()
    .setExpirationTime(`${TOKEN_SECONDS}s`)
    .sign(key);
}
