/**
 * Chooses the manifest that a client gets (RFC 9110, section 12.5.1). Clients differ: docker sends
 * one header for each type, in random order and with equal weights, which HTTP joins with commas;
 * containerd sends one line that ends in a wildcard; curl sends only the wildcard; old ones send
 * nothing.
 */
import { DOCKER_MANIFEST_LIST, MANIFEST_TYPES, OCI_INDEX } from "../contract/media-types.ts";

const INDEXES: ReadonlySet<string> = new Set([OCI_INDEX, DOCKER_MANIFEST_LIST]);
/**
 * Longest Accept that is parsed, characters; docker's joined ones have about 600. The rest is
 * ignored.
 */
const MAX_ACCEPT = 8_192;

/** Whether it is the media type of an index or a list. */
export const isIndex = (mediaType: string | null): boolean =>
  mediaType !== null && INDEXES.has(mediaType);

interface MediaRange {
  readonly type: string;
  readonly q: number;
}

/**
 * The one of `offers` (media types) that the client prefers, or null when it accepts none: the
 * caller then answers 404 MANIFEST_UNKNOWN, as docker's registry does. `accept` is the header,
 * several joined by commas; null, or without a valid range, accepts everything. Sorted by q, then
 * exactly named types before those that only a wildcard allows, then the server's preference; the
 * order in the header does not count. A client that allows an index only by a wildcard, or sends no
 * Accept, gets a plain manifest: it may not know indexes.
 */
export function negotiate(accept: string | null, offers: readonly string[]): string | null {
  const ranges = parseAccept(accept ?? "");
  const candidates = offers.flatMap((offer) => {
    const match = ranges.length === 0 ? { q: 1, exact: false } : bestMatch(offer, ranges);
    if (match.q === 0) return [];
    const standing = match.exact ? 2 : INDEXES.has(offer) ? 0 : 1;
    return [{ offer, q: match.q, standing, preference: preference(offer) }];
  });
  candidates.sort((a, b) => b.q - a.q || b.standing - a.standing || a.preference - b.preference);
  return candidates[0]?.offer ?? null;
}

function preference(offer: string): number {
  const index = MANIFEST_TYPES.indexOf(offer);
  return index < 0 ? MANIFEST_TYPES.length : index;
}

/**
 * q of an offer: that of the most specific range that matches it; 0 when none does. Of two equal
 * ranges the higher q counts.
 */
function bestMatch(offer: string, ranges: readonly MediaRange[]): { q: number; exact: boolean } {
  const q = (type: string): number | undefined => {
    const found = ranges.filter((range) => range.type === type).map((range) => range.q);
    return found.length > 0 ? Math.max(...found) : undefined;
  };
  const exact = q(offer);
  if (exact !== undefined) return { q: exact, exact: true };
  return { q: q(offer.replace(/\/.*$/, "/*")) ?? q("*/*") ?? 0, exact: false };
}

/**
 * Malformed ranges are skipped; parameters other than q are ignored, since no manifest type has
 * any.
 */
function parseAccept(accept: string): MediaRange[] {
  return accept
    .slice(0, MAX_ACCEPT)
    .split(",")
    .flatMap((range) => {
      const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
      if (!/^(\*\/\*|[a-z0-9!#$&^_.+-]+\/(\*|[a-z0-9!#$&^_.+-]+))$/.test(type)) return [];
      const weight = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
      return /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(weight) ? [{ type, q: Number(weight) }] : [];
    });
}
