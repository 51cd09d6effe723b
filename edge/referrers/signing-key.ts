/**
 * The registry's own key (SIGNING_KEY), with which it signs the images that it answers with: ECDSA
 * on P-256 with SHA-256, as cosign's keys are.
 *
 * The nonce of a signature is derived from key and message (RFC 6979), not random: every isolate
 * makes the same signature, so signatures need not be stored. WebCrypto and Node only make
 * signatures with random nonces, hence the library.
 */
import { p256 } from "@noble/curves/nist.js";
import { base64url } from "jose";
import { ConfigError } from "../bucket-config.ts";
import { base64 } from "./base64.ts";

export interface SigningKeyVariables {
  /** PEM of the key that images are signed with (`firn signing-key`); secret. */
  readonly SIGNING_KEY?: string;
}

export interface SigningKey {
  /** A signature in DER, as X9.62 has it. */
  readonly sign: (message: Uint8Array) => Uint8Array;
  /** Names the public key in a bundle: base64 of the SHA-256 over its SubjectPublicKeyInfo. */
  readonly hint: string;
}

const RULE =
  "SIGNING_KEY must be the PEM of a private key for ECDSA on P-256 without a password, PKCS #8 " +
  '("BEGIN PRIVATE KEY"): firn signing-key makes one';
const CURVE = { name: "ECDSA", namedCurve: "P-256" } as const;

/** Null without a key. Throws a ConfigError, which never shows what was given. */
export async function readSigningKey({
  SIGNING_KEY: pem,
}: SigningKeyVariables): Promise<SigningKey | null> {
  if (pem === undefined) return null;
  try {
    return await signingKey(pem);
  } catch {
    throw new ConfigError([RULE]);
  }
}

async function signingKey(pem: string): Promise<SigningKey> {
  // A variable that can hold only one line has `\n` in place of line breaks.
  const [, body] =
    /^\s*-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----\s*$/.exec(
      pem.replaceAll("\\n", "\n"),
    ) ?? [];
  if (body === undefined) throw new TypeError("no PEM of a private key");
  const der = Uint8Array.from(atob(body.replace(/\s+/g, "")), (sign) => sign.charCodeAt(0));
  const key = await crypto.subtle.importKey("pkcs8", der, CURVE, true, ["sign"]);
  const jwk = (await crypto.subtle.exportKey("jwk", key)) as { d?: string; x?: string; y?: string };
  const { d, x, y } = jwk;
  if (d === undefined || x === undefined || y === undefined) throw new TypeError("no private key");
  const secret = base64url.decode(d);
  const open = { kty: "EC", crv: "P-256", x, y };
  const known = await crypto.subtle.importKey("jwk", open, CURVE, true, ["verify"]);
  const spki = new Uint8Array((await crypto.subtle.exportKey("spki", known)) as ArrayBuffer);
  return {
    sign: (message) => p256.sign(message, secret, { prehash: true, format: "der" }),
    hint: base64(new Uint8Array(await crypto.subtle.digest("SHA-256", spki))),
  };
}
