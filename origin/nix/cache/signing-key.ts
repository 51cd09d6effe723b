/**
 * Nix's own key files (`nix-store --generate-binary-cache-key`): a name, `:`, and in base 64 an
 * Ed25519 key, 64 bytes of which the first 32 are the seed. Public keys are 32 bytes.
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto";

const SEED_BYTES = 32;
const SECRET_BYTES = 64;
/** RFC 8410: the bytes before the seed in PKCS #8. */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");
const KEY = /^([^\s:]+):([A-Za-z0-9+/]+={0,2})$/;

export interface SigningKey {
  readonly name: string;
  readonly key: KeyObject;
}

/** Reads a secret key. Throws an Error that does not repeat the text when it is none. */
export function readSigningKey(text: string): SigningKey {
  const [, name, base64 = ""] = KEY.exec(text.trim()) ?? [];
  const secret = Buffer.from(base64, "base64");
  if (name === undefined || secret.length !== SECRET_BYTES)
    throw new Error(
      "not a secret key of Nix: nix-store --generate-binary-cache-key NAME SECRET-FILE PUBLIC-FILE makes one",
    );
  const der = Buffer.concat([PKCS8_ED25519, secret.subarray(0, SEED_BYTES)]);
  return { name, key: createPrivateKey({ key: der, format: "der", type: "pkcs8" }) };
}

/** The signature of a text in the form of narinfo files: `name:signature`. */
export const signText = ({ name, key }: SigningKey, text: string): string =>
  `${name}:${sign(null, Buffer.from(text), key).toString("base64")}`;

/** Whether a word has the form of a public key. */
export function isPublicKey(word: string): boolean {
  const base64 = KEY.exec(word)?.[2];
  return base64 !== undefined && Buffer.from(base64, "base64").length === SEED_BYTES;
}
