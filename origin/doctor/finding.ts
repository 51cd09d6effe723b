/** Findings of the doctor: one for each check, with what to do if it is not ok. */

/**
 * - ok: as it should be
 * - warning: it works, and may not be what is wanted
 * - fault: something will not work
 */
export type Health = "ok" | "warning" | "fault";

export interface Finding {
  /** What was looked at: `Nix`, `disk`, `edge`. */
  readonly subject: string;
  readonly health: Health;
  /** What was found. */
  readonly text: string;
  /** What to do; none if it is ok. */
  readonly cure?: string;
}

export const ok = (subject: string, text: string): Finding => ({ subject, health: "ok", text });
export const warning = (subject: string, text: string, cure: string): Finding => ({
  subject,
  health: "warning",
  text,
  cure,
});
export const fault = (subject: string, text: string, cure: string): Finding => ({
  subject,
  health: "fault",
  text,
  cure,
});

const MARKS: Readonly<Record<Health, string>> = { ok: "ok  ", warning: "warn", fault: "FAIL" };

/** A finding as lines; `colour` paints the mark. */
export function shownFinding(
  { subject, health, text, cure }: Finding,
  colour: (health: Health, mark: string) => string = (_, mark) => mark,
): string[] {
  const head = `${colour(health, MARKS[health])}  ${subject}: ${text}`;
  return cure === undefined ? [head] : [head, `      ${cure}`];
}
