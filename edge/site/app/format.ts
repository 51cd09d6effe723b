/** Sizes and times for people. Pure. */

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** `38.2 MB`: three digits, by powers of 1000 as docker shows them. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

const STEPS = [
  [60, "second"],
  [60, "minute"],
  [24, "hour"],
  [Infinity, "day"],
] as const;

/** `3 minutes ago`. Milliseconds since 1970. */
export function ago(at: number, now: number): string {
  let value = Math.max(0, (now - at) / 1_000);
  for (const [most, name] of STEPS) {
    if (value < most) return value < 1 ? "just now" : `${plural(Math.floor(value), name)} ago`;
    value /= most;
  }
  return "";
}

/** `1 layer`, `12 layers`. */
export const plural = (count: number, word: string): string =>
  `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

/** `4.2 s`, `3 min`. */
export const duration = (seconds: number): string =>
  seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.round(seconds / 60)} min`;

/** `12 s`, `3:05 min`: for time that runs. */
export const elapsed = (seconds: number): string =>
  seconds < 60
    ? `${seconds} s`
    : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")} min`;
