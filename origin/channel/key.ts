/**
 * An origin's key pair: Ed25519, generated at the origin; the edge only ever sees the public half.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";

export interface OriginKey {
  /** JWK as JSON: the secret that `connect` takes. */
  readonly privateKey: string;
  /** As in the edge's ORIGINS: `x` of the public JWK. */
  readonly publicKey: string;
}

/** A new key pair. */
export function generateOriginKey(): OriginKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    privateKey: JSON.stringify(privateKey.export({ format: "jwk" })),
    publicKey: publicKeyOf(privateKey),
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
    // OpenSSL's message about a broken key helps nobody, and may quote the key.
  }
  if (key?.asymmetricKeyType !== "ed25519")
    throw new Error(
      "the origin's key must be an Ed25519 private key, as JWK (JSON) or PEM; `firn keygen` makes one",
    );
  return key;
}

/** The public half of a private key: `x` of its JWK (RFC 8037). */
export function publicKeyOf(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (x === undefined) throw new Error("an Ed25519 key has no x");
  return x;
}
