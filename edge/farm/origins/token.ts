/**
 * Verifies the Ed25519-signed token (JWT) of a connecting origin against the public keys in
 * ORIGINS.
 *
 * The token's subject selects the key, from the configuration alone. What the token's header says
 * about keys (`jwk`, `jku`, `x5u`, `kid`) is never used (CVE-2025-24976: a registry that trusted
 * the token's own `x5c`), and the algorithm is pinned, so neither `none` nor HS256 over the public
 * key is accepted.
 */
import { decodeJwt, importJWK, jwtVerify, type JWTPayload } from "jose";
import { TOKEN_SECONDS } from "../../contract/messages.ts";
import { configuredOrigins, originHosts, type OriginVariables } from "./configured-origins.ts";

/** Tolerated difference between two clocks, seconds. */
export const CLOCK_SKEW_SECONDS = 5;
/** One of Firn's tokens has about 350 characters. */
const MAX_TOKEN = 2_048;
const MAX_JTI = 128;

/**
 * An origin with a valid token, except for its single use, which the Farm object checks. Times in
 * ms since 1970.
 */
export interface Caller {
  readonly name: string;
  /**
   * The public key (`x` of its JWK) for which it proved to have the private one. When ORIGINS has
   * another key, or none, for this name, the origin is revoked.
   */
  readonly key: string;
  readonly jti: string;
  /** When the token expires. */
  readonly expires: number;
}

/**
 * The key that an origin currently has in the configuration; undefined when it is revoked, was
 * never there, or the configuration is malformed.
 */
export function keyInForce(name: string, env: OriginVariables): string | undefined {
  try {
    return configuredOrigins(env).get(name)?.key;
  } catch {
    return undefined;
  }
}

/**
 * Verifies an Authorization header at the time `now` (ms). Never throws: any problem, even a
 * misconfiguration, is `refused`.
 */
export async function identify(
  authorization: string | null,
  env: OriginVariables,
  now: number,
): Promise<Caller | { readonly refused: string }> {
  try {
    const token = /^Bearer +([\w.-]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined) return { refused: "no bearer token" };
    if (token.length > MAX_TOKEN) return { refused: `token longer than ${MAX_TOKEN} characters` };
    const audience = [...originHosts(env)];
    if (audience.length === 0)
      return { refused: "EDGE_HOST is not set: no token can be for this edge" };
    const name = decodeJwt(token).sub;
    const key = typeof name === "string" ? configuredOrigins(env).get(name)?.key : undefined;
    if (name === undefined || key === undefined)
      return {
        refused: `no key in ORIGINS for the subject ${JSON.stringify(name ?? null).slice(0, 100)}`,
      };
    const { payload } = await jwtVerify(token, await importJWK(publicJwk(key), "EdDSA"), {
      algorithms: ["EdDSA"],
      audience,
      subject: name,
      requiredClaims: ["exp", "iat", "jti"],
      clockTolerance: CLOCK_SKEW_SECONDS,
      currentDate: new Date(now),
    });
    const wrong = wrongClaims(payload, now);
    if (wrong !== undefined) return { refused: wrong };
    const { jti, exp } = payload as Required<JWTPayload>;
    return { name, key, jti, expires: (exp + CLOCK_SKEW_SECONDS) * 1_000 };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
}

/** The JWK of a public key (RFC 8037). */
export const publicJwk = (x: string) => ({ kty: "OKP", crv: "Ed25519", x }) as const;

/**
 * Checks that jose does not make. A token has one audience: with two, it could be used once at each
 * edge.
 */
function wrongClaims({ aud, exp, iat, jti }: JWTPayload, now: number): string | undefined {
  if (typeof aud !== "string") return "the audience must be one host";
  if (typeof exp !== "number" || typeof iat !== "number") return "exp and iat must be numbers";
  if (exp - iat > TOKEN_SECONDS) return `lives longer than ${TOKEN_SECONDS} s`;
  if (iat > now / 1_000 + CLOCK_SKEW_SECONDS) return "issued in the future";
  if (typeof jti !== "string" || jti === "" || jti.length > MAX_JTI)
    return `jti must be 1 to ${MAX_JTI} characters`;
  return undefined;
}
