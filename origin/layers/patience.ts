/** Repeating operations while a bucket fails. */
import pRetry from "p-retry";
import { answered, mayPass } from "../../edge/contract/bucket-status.ts";

/** The bucket refused a request, or did not answer for as long as it was repeated. */
export class BucketError extends Error {
  override name = "BucketError";
  /** HTTP status; undefined when there was no answer. */
  readonly status: number | undefined;

  /** `what`: `PUT blobs/… at https://…`; `why`: the service's own word for it, or the network's. */
  constructor(what: string, status: number | undefined, why: string, cause?: unknown) {
    super(
      `${what}: ${status === undefined ? `no answer (${why})` : answered(status, why)}`,
      cause === undefined ? {} : { cause },
    );
    this.status = status;
  }
}

export interface Patience {
  /** How long an operation is repeated, ms. */
  readonly retryMs: number;
  readonly onRetry: (error: BucketError) => void;
}

/** First and longest wait between attempts, ms: doubled each time, and at random up to twice. */
const FIRST_WAIT_MS = 100;
const MAX_WAIT_MS = 10_000;

/** Repeats `attempt` on a BucketError that may pass. Throws any other error at once. */
export function patiently<T>(
  attempt: () => Promise<T>,
  { retryMs, onRetry }: Patience,
  signal: AbortSignal,
): Promise<T> {
  return pRetry(attempt, {
    signal,
    retries: Infinity,
    maxRetryTime: retryMs,
    minTimeout: FIRST_WAIT_MS,
    maxTimeout: MAX_WAIT_MS,
    randomize: true,
    shouldRetry: ({ error }) => {
      if (!isPassing(error)) return false;
      onRetry(error);
      return true;
    },
  });
}

const isPassing = (error: unknown): error is BucketError =>
  error instanceof BucketError && (error.status === undefined || mayPass(error.status));
