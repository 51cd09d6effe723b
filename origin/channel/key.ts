/**
 * An origin's own key pair: Ed25519, made at the origin; the edge only ever sees the public half.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";

/** As it stands in the edge's ORIGIN_KEYS. */
export interface PublicJwk {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
}

export interface OriginKey {
  /** JWK as JSON: the secret that `connect` takes. */
  readonly privateKey: string;
  readonly publicJwk: PublicJwk;
}

export function generateOriginKey(): OriginKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    privateKey: JSON.stringify(privateKey.export({ format: "jwk" })),
    publicJwk: publicJwkOf(privateKey),
  };
}

/**
 * Reads a private key, as JWK (JSON) or PEM (PKCS #8). Throws an Error that says what it must be,
 * without showing it.
 */
export function readOriginKey(text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = text.trimStart().startsWith("{")
      ? createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: "jwk" })
      : createPrivateKey(text);
  } catch {
    // What OpenSSL says of a broken key helps nobody, and may quote it.
  }
  if (key?.asymmetricKeyType !== "ed25519")
    throw new Error(
      "the origin's key must be an Ed25519 private key, as JWK (JSON) or PEM; `firn keygen` makes one",
    );
  return key;
}

export function publicJwkOf(key: KeyObject): PublicJwk {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (x === undefined) throw new Error("an Ed25519 key has no x");
  return { kty: "OKP", crv: "Ed25519", x };
}
