/**
 * Remembers which credentials were right within the last hour. A client signs in for every token,
 * that is, for every image and every five minutes. Without this memory each login would cost the 30
 * ms of a slow hash, and a flood of wrong passwords, which is limited, would lock honest clients
 * out.
 *
 * It remembers an HMAC of user, password and the account's hash, under a random key of this
 * isolate. So a changed password takes effect at once, and no password is kept in memory.
 */
import { LRUCache } from "lru-cache";
import type { Credentials } from "./credentials.ts";

/** Most credentials that are remembered; an account usually has one. */
const MAX_REMEMBERED = 1_000;
/** How long, milliseconds. */
const REMEMBERED_MS = 3_600_000;

const right = new LRUCache<string, true>({
  max: MAX_REMEMBERED,
  ttl: REMEMBERED_MS,
  // With a resolution the cache would reuse a time until a timer fires, and timers end with the
  // request that set them: no entry would ever get an hour old.
  ttlResolution: 0,
});
/** Drawn at the first login: a Worker cannot ask for random numbers before a request. */
let drawn: Uint8Array<ArrayBuffer> | undefined;

/** The HMAC under which these credentials are remembered. */
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

/** Remembers that these credentials were right just now. */
export const rememberRight = (loginKey: string): void => void right.set(loginKey, true);
