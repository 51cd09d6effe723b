/**
 * If-None-Match over content named by digest: the entity tag of everything here is its digest,
 * quoted.
 */

/**
 * Whether an If-None-Match header names this entity tag, or is `*`: then the answer is 304 (RFC
 * 9110, section 13.1.2: weak comparison).
 */
export function matches(header: string, etag: string): boolean {
  if (header === etag) return true;
  return header.split(",").some((tag) => {
    const trimmed = tag.trim();
    return trimmed === "*" || (trimmed.startsWith("W/") ? trimmed.slice(2) : trimmed) === etag;
  });
}
