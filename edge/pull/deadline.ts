/** Until when a request is held while origins work for it. */
export interface Deadline {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How long that was from the beginning, seconds, for messages. */
  readonly seconds: number;
}

/** `wait`: milliseconds from now. */
export const deadlineIn = (wait: number): Deadline => ({
  at: Date.now() + wait,
  seconds: Math.round(wait / 1_000),
});

/** Milliseconds that are left. */
export const left = ({ at }: Deadline): number => Math.max(0, at - Date.now());
