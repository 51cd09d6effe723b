/**
 * Accounts: the format of a name, and password hashing. `firn user` makes the hash and the edge
 * checks it: salted PBKDF2 with HMAC-SHA-256 (RFC 8018), which WebCrypto has in workerd and in
 * Node.
 *
 *   pbkdf2-sha256$100000$<salt, 16 bytes as base64url>$<hash, 32 bytes as base64url>
 */

import { base64url } from "jose";

/** No `:`, because it ends the user name in Basic credentials (RFC 7617, section 2). */
export const ACCOUNT_NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/**
 * Iterations of a new hash: the most that Cloudflare's WebCrypto allows, some 30 ms of CPU, once
 * for each token. `firn user` generates passwords of 160 random bits, which cannot be guessed; the
 * iterations protect passwords that people choose.
 */
const PASSWORD_ITERATIONS = 100_000;
/** Shortest password that a person may choose, characters (NIST SP 800-63B asks for 8 or more). */
const MIN_PASSWORD_LENGTH = 12;
/** Longest password that is hashed, characters. */
const MAX_PASSWORD_LENGTH = 256;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/** A hash, in the form that accounts hold. */
export const PASSWORD_HASH_PATTERN =
  /^pbkdf2-sha256\$([1-9]\d{3,5})\$([A-Za-z0-9_-]{22})\$([A-Za-z0-9_-]{43})$/;

/** A hash that no password has. Verifying against it takes as long as against a real one. */
const NO_ACCOUNT = `pbkdf2-sha256$${PASSWORD_ITERATIONS}$${"A".repeat(22)}$${"A".repeat(43)}`;

/** Throws a TypeError that names the rule which the password breaks. */
export async function hashPassword(password: string): Promise<string> {
  if (password.length < MIN_PASSWORD_LENGTH || password.length > MAX_PASSWORD_LENGTH)
    throw new TypeError(
      `the password has ${password.length} characters; it must have ${MIN_PASSWORD_LENGTH} to ` +
        `${MAX_PASSWORD_LENGTH}`,
    );
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const hash = await derive(password, salt, PASSWORD_ITERATIONS);
  return `pbkdf2-sha256$${PASSWORD_ITERATIONS}$${base64url.encode(salt)}$${base64url.encode(hash)}`;
}

/**
 * Whether the password has this hash. An undefined `hash` stands for an account that does not
 * exist: the answer is false, after the same time, so that nobody can find out which accounts
 * exist.
 */
export async function verifyPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [, iterations = "", salt = "", expected = ""] =
    PASSWORD_HASH_PATTERN.exec(hash ?? NO_ACCOUNT) ?? [];
  if (expected === "" || password.length > MAX_PASSWORD_LENGTH) return false;
  const found = await derive(password, new Uint8Array(base64url.decode(salt)), Number(iterations));
  return sameBytes(found, base64url.decode(expected)) && hash !== undefined;
}

async function derive(
  password: string,
  salt: Uint8Array<ArrayBuffer>,
  iterations: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(password);
  const key = await crypto.subtle.importKey("raw", bytes, "PBKDF2", false, ["deriveBits"]);
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, HASH_BYTES * 8));
}

/** Compares in a time that does not depend on where two byte strings differ. */
function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}
