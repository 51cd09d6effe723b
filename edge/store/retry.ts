/**
 * Bounded retries for one operation of a bucket: both R2 and S3 services answer a small share of
 * requests with a passing error.
 */
import { RegistryError } from "../contract/errors.ts";

/** Attempts in all. A client waits for the answer, so trouble that lasts is told soon. */
export const ATTEMPTS = 3;
/**
 * Wait before the second attempt, milliseconds; it doubles, and is spread by half so that isolates
 * do not retry in step.
 */
const FIRST_WAIT_MS = 50;
/** Retry-After when the bucket stays unreachable, seconds. */
const RETRY_AFTER_SECONDS = 5;

/**
 * Runs `attempt` until it succeeds, at most ATTEMPTS times. A RegistryError is final; anything else
 * thrown is taken for passing. Throws UNAVAILABLE (503) when every attempt failed: an absent object
 * is null, so trouble is never told, or cached, as a 404.
 */
export async function withRetries<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof RegistryError) throw error;
      if (number === ATTEMPTS) throw bucketUnavailable(what, error);
      await sleep(FIRST_WAIT_MS * 2 ** (number - 1) * (0.5 + Math.random()));
    }
  }
}

function bucketUnavailable(what: string, cause: unknown): RegistryError {
  return new RegistryError({
    code: "UNAVAILABLE",
    status: 503,
    message: "the registry's storage does not answer at the moment; try again in a few seconds",
    headers: { "Retry-After": String(RETRY_AFTER_SECONDS) },
    cause: new Error(`${what} failed ${ATTEMPTS} times`, { cause }),
  });
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
