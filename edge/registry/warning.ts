/**
 * The legal way to talk to the person behind a client: `Warning: 299 - "…"` (distribution spec 1.1,
 * "Warnings").
 */

/**
 * Longest header value, bytes: the spec lets clients drop more than 4096 for all warnings of an
 * answer; one is enough, and 1 kB is a long sentence.
 */
const MAX_WARNING = 1_024;

/** The header's value: one line of ASCII, quoted (RFC 9110, quoted-string). */
export function warning(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]+/g, " ").replace(/["\\]/g, "'");
  return `299 - "${plain.slice(0, MAX_WARNING)}"`;
}
