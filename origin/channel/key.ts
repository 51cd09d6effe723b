/** An origin's Ed25519 key pair. The origin makes it, and the edge gets the public half alone. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
} from "node:crypto";
import { CommandFailed } from "../commands/exit-codes.ts";
import { fileText } from "../process.ts";

export interface OriginKey {
  /** The secret half, a JWK as JSON. */
  readonly privateKey: string;
  /** The public half as in the edge's ORIGINS: `x` of the JWK. */
  readonly publicKey: string;
}

/** Generates a key pair. */
export function generateOriginKey(): OriginKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  return {
    privateKey: JSON.stringify(privateKey.export({ format: "jwk" })),
    publicKey: publicKeyOf(privateKey),
  };
}

/**
 * Reads a private key: a JWK (JSON), or PEM (PKCS #8). Throws an Error that does not repeat the
 * text when it is no such key.
 */
export function readOriginKey(text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = text.trimStart().startsWith("{")
      ? createPrivateKey({ key: JSON.parse(text) as JsonWebKey, format: "jwk" })
      : createPrivateKey(text);
  } catch {
    // OpenSSL's message may quote the key.
  }
  if (key?.asymmetricKeyType !== "ed25519")
    throw new Error(
      "the origin's key must be an Ed25519 private key, as JWK (JSON) or PEM; `firn keygen` makes one",
    );
  return key;
}

/** The text of a file with a private key. Throws a CommandFailed that names the file. */
export function originKeyText(file: string): string {
  const text = fileText(file);
  try {
    readOriginKey(text);
  } catch (error) {
    throw new CommandFailed("usage", `${file}: ${(error as Error).message}`, { cause: error });
  }
  return text;
}

/** The public half of a private key: `x` of its JWK (RFC 8037). */
export function publicKeyOf(key: KeyObject): string {
  const { x } = createPublicKey(key).export({ format: "jwk" });
  if (x === undefined) throw new Error("an Ed25519 key has no x");
  return x;
}
