/** Text for people at a terminal: columns, durations, sizes. Pure. */

/** Rows of equal length as lines, columns two spaces apart, without spaces at the ends. */
export function table(
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string[] {
  const widths = (rows[0] ?? []).map((_, at) =>
    Math.max(...rows.map((row) => (row[at] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, at) =>
        right.includes(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Seconds as text with two units at most: `59 s`, `4 min`, `3 h 5 min`, `2 d 1 h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min`;
  const [large, small, big, little] =
    whole < DAY
      ? [Math.floor(whole / HOUR), Math.floor((whole % HOUR) / MINUTE), "h", "min"]
      : [Math.floor(whole / DAY), Math.floor((whole % DAY) / HOUR), "d", "h"];
  return small === 0 ? `${large} ${big}` : `${large} ${big} ${small} ${little}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** Bytes as text of at most three digits, in powers of 1000: `512 B`, `1.5 GB`, `120 GB`. */
export function size(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(bytes) / 3));
  const value = bytes / 1_000 ** power;
  const text = power > 0 && value < 10 ? value.toFixed(1) : String(Math.floor(value));
  return `${text} ${UNITS[power]}`;
}

/** A text from an edge or origin as one line, without control characters. */
export const plain = (text: string): string =>
  // eslint-disable-next-line no-control-regex
  text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ").trim();

/** A line cut to the terminal's width. */
export const cut = (line: string, width: number): string =>
  line.length <= width ? line : `${line.slice(0, Math.max(0, width - 1))}…`;
