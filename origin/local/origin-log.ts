/** Turns an origin's log lines (pino's JSON) into text for a terminal. */

/** pino's number for the level. */
const ERROR = 50;
/** Fields that are not shown: pino's own, and those that are the same in every line. */
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
/** The message of an origin that has connected to its edge (channel/connection.ts). */
const CONNECTED = /^connected\b/;
/** Longest value that is shown, characters. */
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
