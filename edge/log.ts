/** Writes structured lines to the Worker's console: one JSON object each. */
export function note(
  level: "debug" | "info" | "warn" | "error",
  event: string,
  facts: Readonly<Record<string, unknown>>,
): void {
  console[level](JSON.stringify({ level, event, ...facts }));
}
