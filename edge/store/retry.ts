/** Trying again, for everything that the edge asks over a network. */
import pRetry from "p-retry";

/** Wait before the second attempt, milliseconds. */
const FIRST_WAIT_MS = 50;
/** Longest wait between two attempts, milliseconds. */
const LONGEST_WAIT_MS = 2_000;

export interface Retries {
  /** Most attempts in all; as many as the time allows when left out. */
  readonly attempts?: number;
  /** For how long another attempt may begin, milliseconds; for ever when left out. */
  readonly withinMs?: number;
  /** To be called after every attempt that failed, with its number, 1 for the first. */
  readonly onFailure?: (error: Error, attempt: number) => void;
  /** Whether another attempt may help; always when left out. */
  readonly mayPass?: (error: Error) => boolean | Promise<boolean>;
}

/**
 * Runs `attempt` until it succeeds. Before the second attempt it waits 50 to 100 ms, by chance, so
 * that isolates do not retry in step; before each further one twice as long, at most 2 s. Throws
 * the last attempt's error once the attempts or the time are used up; and at once an error that
 * will not pass, such as a TypeError that comes from no network: that is a mistake in the code.
 */
export function withRetries<T>(
  attempt: () => Promise<T>,
  { attempts = Number.POSITIVE_INFINITY, withinMs, onFailure, mayPass }: Retries,
): Promise<T> {
  return pRetry(attempt, {
    retries: attempts - 1,
    minTimeout: FIRST_WAIT_MS,
    maxTimeout: LONGEST_WAIT_MS,
    randomize: true,
    ...(withinMs === undefined ? {} : { maxRetryTime: withinMs }),
    onFailedAttempt: ({ error, attemptNumber }) => onFailure?.(error, attemptNumber),
    shouldRetry: ({ error }) => mayPass?.(error) ?? true,
  });
}
