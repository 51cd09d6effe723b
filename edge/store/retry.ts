/**
 * Bounded retries for one operation of a bucket: both R2 and S3 services answer a small share of
 * requests with a passing error.
 */

/** Attempts in all. A client waits for the answer, so trouble that lasts is told soon. */
export const ATTEMPTS = 3;
/**
 * Wait before the second attempt, milliseconds; it doubles, and is spread by half so that isolates
 * do not retry in step.
 */
const FIRST_WAIT_MS = 50;

/** The bucket does not answer, or not as it should; worth another try in a few seconds. */
export class BucketUnavailable extends Error {
  override readonly name = "BucketUnavailable";
}

/**
 * Runs `attempt` until it succeeds, at most ATTEMPTS times. Throws a BucketUnavailable
 * when every attempt failed: an absent object is null, so trouble is never told, or cached, as a
 * 404.
 */
export async function withRetries<T>(what: string, attempt: () => Promise<T>): Promise<T> {
  for (let number = 1; ; number++) {
    try {
      return await attempt();
    } catch (error) {
      if (number === ATTEMPTS)
        throw new BucketUnavailable(`${what} failed ${ATTEMPTS} times`, { cause: error });
      await sleep(FIRST_WAIT_MS * 2 ** (number - 1) * (0.5 + Math.random()));
    }
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
