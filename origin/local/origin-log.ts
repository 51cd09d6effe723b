/** An origin's log lines (pino's JSON), for a person at a terminal. */

/** pino's number for the level. */
const ERROR = 50;
/** Fields that pino adds to every line, and those that say nothing when there is one origin. */
const PLAIN = new Set([
  "level",
  "time",
  "pid",
  "hostname",
  "name",
  "msg",
  "edge",
  "err",
  "version",
]);
/** What the channel says when an edge has welcomed it (origin/channel). */
const CONNECTED = /^connected\b/;
/** Longest value shown, characters: a whole record is no help at a terminal. */
const MAX_VALUE = 200;

export interface OriginLine {
  /**
   * pino's level: 30 info, 40 warn, 50 error. Text that is not JSON (Node's own) counts as an
   * error.
   */
  readonly level: number;
  /** The message, then its fields: `built (package=git seconds=3)`. */
  readonly text: string;
  /** The origin has just been welcomed by its edge. */
  readonly connected: boolean;
}

/** Reads one line. */
export function readOriginLine(line: string): OriginLine {
  const fields = parse(line);
  if (fields === null) return { level: ERROR, text: line, connected: false };
  const message = String(fields["msg"] ?? "");
  const error = fields["err"] as { message?: string } | undefined;
  const details = Object.entries(fields)
    .filter(([name, value]) => !PLAIN.has(name) && value !== undefined)
    .map(
      ([name, value]) =>
        `${name}=${(typeof value === "string" ? value : JSON.stringify(value)).slice(0, MAX_VALUE)}`,
    );
  if (error?.message !== undefined && !message.includes(error.message)) details.push(error.message);
  return {
    level: Number(fields["level"]),
    text: details.length === 0 ? message : `${message} (${details.join(" ")})`,
    connected: CONNECTED.test(message),
  };
}

function parse(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && "level" in value
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}
