/**
 * Client tokens (distribution spec, "Token Authentication"): a JWT that the edge signs and checks
 * itself. It is for one account or an anonymous client, for the images that were asked for, and
 * expires after TOKEN_SECONDS.
 *
 * HS256 with TOKEN_KEY, because signer and verifier are the same. Algorithm, issuer, audience and
 * type are pinned, and key hints in the token's header are ignored (CVE-2025-24976).
 *
 *   {"iss":"firn","aud":"registry.example","sub":"ci","iat":…,"exp":…,"images":["shell/git"]}
 */
import { jwtVerify, SignJWT } from "jose";
import * as v from "valibot";

/**
 * Lifetime of a token, seconds: longer than a pull needs. A removed account can still pull this
 * long.
 */
export const TOKEN_SECONDS = 300;
/** Clock difference between two data centres that is tolerated, seconds. */
const CLOCK_SKEW_SECONDS = 5;
/** Longest token that is parsed, characters: 16 names of 255, and the rest. */
const MAX_TOKEN_LENGTH = 8_192;
const ALGORITHM = "HS256";
const ISSUER = "firn";
const TYPE = "firn-pull+jwt";

export interface Grant {
  /** Account name; null for an anonymous client. */
  readonly account: string | null;
  /** Image names as written in the scopes. */
  readonly images: readonly string[];
}

/** What signing and verifying need. */
export interface TokenContext {
  readonly key: Uint8Array;
  /** The host that the client asked: a token of one registry is worthless at another. */
  readonly audience: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

const ClaimsSchema = v.object({
  sub: v.string(),
  images: v.array(v.string()),
});

/** A signed token for a grant; its payload is in the header of this file. */
export async function signToken(grant: Grant, context: TokenContext): Promise<string> {
  const issuedAt = Math.floor(context.now / 1_000);
  return new SignJWT({ images: grant.images })
    .setProtectedHeader({ alg: ALGORITHM, typ: TYPE })
    .setIssuer(ISSUER)
    .setAudience(context.audience)
    .setSubject(grant.account ?? "")
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + TOKEN_SECONDS)
    .sign(context.key);
}

/** What a token grants; null when it is malformed, expired, forged, or another registry's. */
export async function verifyToken(token: string, context: TokenContext): Promise<Grant | null> {
  if (token.length > MAX_TOKEN_LENGTH) return null;
  try {
    const { payload } = await jwtVerify(token, context.key, {
      algorithms: [ALGORITHM],
      issuer: ISSUER,
      audience: context.audience,
      typ: TYPE,
      requiredClaims: ["sub", "iat", "exp"],
      maxTokenAge: TOKEN_SECONDS,
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: new Date(context.now),
    });
    const { sub, images } = v.parse(ClaimsSchema, payload);
    return { account: sub === "" ? null : sub, images };
  } catch {
    return null;
  }
}
