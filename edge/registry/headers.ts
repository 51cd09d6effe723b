/** Response headers that several routes share: Cache-Control, ETag with If-None-Match, Warning. */
import type { Digest } from "../contract/digest.ts";

export const API_VERSION = { "Docker-Distribution-API-Version": "registry/2.0" } as const;

/**
 * Cache-Control for content named by its digest: the bytes never change. no-transform, because a
 * proxy that compresses would remove Content-Length and weaken the ETag.
 */
export const IMMUTABLE = "public, max-age=31536000, immutable, no-transform";

/** Longest text of a Warning, characters: a long sentence. */
const MAX_WARNING = 1_024;
/** Most bytes of all warnings of a response (distribution spec 1.1, "Warnings"). */
const MAX_WARNINGS = 4_096;
/** Between two values, where a proxy joins the headers. */
const SEPARATOR = ", ".length;

/** The entity tag of content named by its digest. */
export const etagOf = (digest: Digest): string => `"${digest}"`;

/**
 * Whether the client already has the content of this entity tag, which makes a 304: its
 * If-None-Match contains the tag, or is `*` (RFC 9110, section 13.1.2, weak comparison).
 */
export function isUnchanged(request: Pick<Headers, "get">, etag: string): boolean {
  const header = request.get("If-None-Match");
  if (header === null) return false;
  return (
    header === etag ||
    header.split(",").some((tag) => {
      const trimmed = tag.trim();
      return trimmed === "*" || trimmed.replace(/^W\//, "") === etag;
    })
  );
}

/**
 * The value of a Warning header, with which a registry can tell something to the person behind a
 * client (distribution spec 1.1, "Warnings"): one line of ASCII, quoted (RFC 9110, quoted-string).
 */
export function warning(text: string): string {
  const line = inAscii(text).replace(/["\\]/g, "'");
  return `299 - "${line.slice(0, MAX_WARNING)}"`;
}

/** Longest reason phrase, characters: with the Warning it fits into the 4 kB that nginx reads. */
const MAX_REASON = 800;

/**
 * An error's message as the reason phrase of its status line (RFC 9112, section 4). Of a 5xx docker,
 * podman and skopeo show the status line alone, containerd of every error but 404:
 * `received unexpected HTTP status: 500 package x does not build: …`. HTTP/2 has none.
 */
export function reasonPhrase(message: string): string {
  const line = inAscii(message);
  return line.length <= MAX_REASON ? line : `${line.slice(0, MAX_REASON)}...`;
}

const inAscii = (text: string): string =>
  text
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replaceAll("…", "...")
    .replace(/[^\x20-\x7e]+/g, " ");

/** The values of Warning headers, one for each text, in order, up to the size limit. */
export function warningValues(texts: readonly string[]): string[] {
  let bytes = 0;
  return texts.map(warning).filter((value) => {
    bytes += value.length + SEPARATOR;
    return bytes <= MAX_WARNINGS;
  });
}
