/** Bytes as base64 (RFC 4648, section 4), piece by piece: a call takes so many arguments only. */
export function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += CHUNK)
    binary += String.fromCharCode(...bytes.subarray(start, start + CHUNK));
  return btoa(binary);
}
const CHUNK = 8_192;
