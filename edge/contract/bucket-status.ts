/** What the HTTP statuses of a bucket mean, at both ends. Pure. */

/** RFC 4918, section 11.5: S3 itself is never full, a disk under an S3-compatible service is. */
export const FULL = 507;
/** Timeouts, two writers of one key at once (ConditionalRequestConflict), too many requests. */
const PASSING_CLIENT_ERRORS: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** Whether another try may help in a moment: the service fails, or is asked too much. */
export const mayPass = (status: number): boolean =>
  PASSING_CLIENT_ERRORS.has(status) || (status >= 500 && status !== FULL);

/**
 * How an origin words what its bucket answered. `word`: the service's own. In the message of a
 * failure the edge reads it again (saysRefused).
 */
export const answered = (status: number, word: string): string => `status ${status} (${word})`;

/** A full disk, missing rights, or a quota: its status differs from service to service. */
const REFUSED = /\bstatus (?:(?:401|402|403|507) \(|\d{3} \([^)]*Quota)/;

/** Whether a failure of an origin is that its bucket takes nothing, which no other origin mends. */
export const saysRefused = (message: string): boolean => REFUSED.test(message);
