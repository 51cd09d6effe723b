/**
 * Remembers which credentials were right within the last hour. A client signs in for every token,
 * so for every image and every five minutes. Without this each login would cost the 30 ms of a slow
 * hash, and a flood of wrong passwords, which is limited, would keep honest clients out.
 *
 * What is remembered is an HMAC of user, password and the account's hash, by a random key of this
 * isolate. So a changed password is noticed, and memory holds no password.
 */
import { LRUCache } from "lru-cache";
import type { Credentials } from "./credentials.ts";

/** Credentials that are remembered; each account mostly has one. */
const MAX_REMEMBERED = 1_000;
/** How long, milliseconds. */
const REMEMBERED_MS = 3_600_000;

const right = new LRUCache<string, true>({
  max: MAX_REMEMBERED,
  ttl: REMEMBERED_MS,
  // Else it would keep the time until a timer fires, which ends with the request that set it: then
  // nothing is ever an hour old.
  ttlResolution: 0,
});
/** Drawn at the first login: a Worker may not ask for random numbers before a request. */
let drawn: Uint8Array<ArrayBuffer> | undefined;

/** The HMAC by which these credentials, of an account with this password hash, are remembered. */
export async function loginKey(
  { user, password }: Credentials,
  hash: string | undefined,
): Promise<string> {
  drawn ??= crypto.getRandomValues(new Uint8Array(32));
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", drawn, algorithm, false, ["sign"]);
  const text = new TextEncoder().encode(JSON.stringify([user, hash ?? null, password]));
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, text)).toString();
}

/** Whether these credentials were right within the last hour. */
export const wasRight = (loginKey: string): boolean => right.has(loginKey);

export const rememberRight = (loginKey: string): void => void right.set(loginKey, true);
