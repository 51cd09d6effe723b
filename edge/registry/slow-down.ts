/**
 * Delays answers to clients that are over a limit. A client that heeds Retry-After does not notice;
 * one that asks again at once would otherwise get thousands of refusals a second, each as costly as
 * a cached answer. Waiting takes no CPU.
 */

/** How long a 429 is held back, milliseconds. */
const HELD_MS = 1_000;
/**
 * Most answers that one isolate delays at once, since each takes memory; others are sent at once.
 */
const MAX_HELD = 2_000;

/**
 * How many delays began in this second. (Counting down at their end would miss cancelled requests.)
 */
let begun = { second: 0, count: 0 };

/** The same answer, delayed when it is a 429. */
export async function slowDown(answer: Response): Promise<Response> {
  if (answer.status !== 429) return answer;
  const second = Math.floor(Date.now() / HELD_MS);
  if (begun.second !== second) begun = { second, count: 0 };
  if (begun.count >= MAX_HELD) return answer;
  begun.count += 1;
  await new Promise((resolve) => setTimeout(resolve, HELD_MS));
  return answer;
}
