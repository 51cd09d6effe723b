/**
 * SHA-256 digests as the OCI image spec writes them, computed with WebCrypto, which workerd and
 * Node share.
 */

/**
 * `sha256:` and 64 lower-case hex digits: the only digest algorithm that Firn makes or accepts (OCI
 * image spec, descriptor.md, "Registered algorithms").
 */
export type Digest = `sha256:${string}`;

export const DIGEST_PATTERN = /^sha256:[0-9a-f]{64}$/;
export const HEX256_PATTERN = /^[0-9a-f]{64}$/;

/** Whether a text is a valid digest. */
export function isDigest(text: string): text is Digest {
  return DIGEST_PATTERN.test(text);
}

/** The 64 hex digits of a SHA-256 over bytes, or over text as UTF-8. */
export async function sha256Hex(data: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The digest of bytes, or of a text as UTF-8. */
export async function digestOf(data: Uint8Array<ArrayBuffer> | string): Promise<Digest> {
  return `sha256:${await sha256Hex(data)}`;
}
