/**
 * The Range header over a blob of known size (RFC 9110, section 14). Lazy pullers read layers in
 * parts, and docker resumes a broken download.
 */

export interface Part {
  readonly offset: number;
  readonly length: number;
}

/** Longest Range header that is read, characters; any single range is far shorter. */
const MAX_RANGE_HEADER = 200;
/** One range: `first-last`, `first-` or `-suffix`. Fifteen digits are always a safe integer. */
const SINGLE = /^bytes=\s*(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))\s*$/i;

/**
 * The requested part. `whole` when there is no range that must be honoured (no header, another
 * unit, several ranges, malformed: the whole blob is always a correct answer). `unsatisfiable`, a
 * 416, when no byte of it exists or it ends before it begins (`500-0`: a server may ignore or
 * refuse that, and a client that miscounts should notice).
 */
export function parseRange(header: string | null, size: number): Part | "whole" | "unsatisfiable" {
  if (header === null || header.length > MAX_RANGE_HEADER) return "whole";
  const found = SINGLE.exec(header);
  if (!found) return "whole";
  const [, first, last, suffix] = found;
  if (suffix !== undefined) {
    const length = Math.min(Number(suffix), size);
    return length === 0 ? "unsatisfiable" : { offset: size - length, length };
  }
  const offset = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < offset) return "unsatisfiable";
  return offset >= size ? "unsatisfiable" : { offset, length: end - offset + 1 };
}
