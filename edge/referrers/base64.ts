/**
 * Bytes as base64 (RFC 4648, section 4), in pieces: one call takes a limited number of arguments.
 */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return btoa(binary);
}
const CHUNK = 8_192;
