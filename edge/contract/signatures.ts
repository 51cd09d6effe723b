/**
 * What an origin signs: canonical JSON of a statement and its kind, so that a signature is
 * worthless for another kind of record or another format.
 *
 *   {"kind":"firn layer record v6","statement":{"codec":"gzip","compressor":…,"digest":…,…}}
 *
 * Ed25519 (RFC 8032) with the key with which the origin opens the channel; verified by WebCrypto,
 * which workerd and Node share.
 */
import { base64url } from "jose";
import { RECORD_FORMAT } from "./fields.ts";
import { canonicalJson } from "./keys.ts";
import type { IndexStatement } from "./index-record.ts";
import { type LayerRecord, type LayerStatement, sameContent } from "./layer-record.ts";
import type { PackageStatement } from "./package-record.ts";

/** Statements by kind of record. */
export interface Statements {
  readonly package: PackageStatement;
  readonly layer: LayerStatement;
  readonly index: IndexStatement;
}
export type SignedKind = keyof Statements;

/** Signs a statement; returns 64 bytes as base64url. */
export type Sign = <K extends SignedKind>(kind: K, statement: Statements[K]) => string;

/** The text that is signed for a statement of this kind. */
export const signedText = <K extends SignedKind>(kind: K, statement: Statements[K]): string =>
  canonicalJson({ kind: `firn ${kind} record v${RECORD_FORMAT}`, statement });

/**
 * The origins whose signature of a layer record is valid. `keyOf` gives public keys only of origins
 * that are currently trusted, so signatures of a revoked origin do not count.
 */
export async function vouchersOf(
  { signed, ...own }: LayerRecord,
  keyOf: (origin: string) => string | undefined,
): Promise<string[]> {
  const checked = await Promise.all(
    signed.map(async ({ origin, signature, statement = own }) => {
      const x = keyOf(origin);
      const isGood =
        x !== undefined &&
        sameContent(own, statement) &&
        own.codec === statement.codec &&
        (await isSignedBy(x, "layer", { statement, signature }));
      return isGood ? origin : [];
    }),
  );
  return checked.flat();
}

/** The type has different names in workerd's types and in Node's. */
type Key = Awaited<ReturnType<typeof crypto.subtle.importKey>>;
/** Public keys by `x`: importing one costs as much as verifying a signature. */
const keys = new Map<string, Key>();
/** Most keys that are kept: more than a farm has origins. */
const MAX_KEYS = 1_000;

/**
 * Whether the origin with public key `x` (of its Ed25519 JWK, base64url) has signed the statement.
 * Also false for a malformed key or signature.
 */
export async function isSignedBy<K extends SignedKind>(
  x: string,
  kind: K,
  { statement, signature }: { readonly statement: Statements[K]; readonly signature: string },
): Promise<boolean> {
  try {
    const text = new TextEncoder().encode(signedText(kind, statement));
    const bytes = new Uint8Array(base64url.decode(signature));
    return await crypto.subtle.verify("Ed25519", await keyOf(x), bytes, text);
  } catch {
    return false;
  }
}

async function keyOf(x: string): Promise<Key> {
  let key = keys.get(x);
  if (key === undefined) {
    const jwk = { kty: "OKP", crv: "Ed25519", x };
    key = await crypto.subtle.importKey("jwk", jwk, "Ed25519", false, ["verify"]);
    if (keys.size >= MAX_KEYS) keys.clear();
    keys.set(x, key);
  }
  return key;
}
