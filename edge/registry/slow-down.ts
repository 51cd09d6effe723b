/**
 * Clients over a limit are answered slowly. One that heeds Retry-After notices nothing; one that
 * asks again at once would have thousands of refusals a second, each as dear as an honest client's
 * hit. Waiting takes no CPU.
 */

/** How long a 429 is held back, milliseconds. */
const HELD_MS = 1_000;
/** Most that one isolate holds back at once; the others are answered, since each takes memory. */
const MAX_HELD = 2_000;

/** Those begun within this second: counted by the clock, since a request may be cancelled. */
let begun = { second: 0, count: 0 };

/** The same answer, later when it is a 429. */
export async function slowDown(answer: Response): Promise<Response> {
  if (answer.status !== 429) return answer;
  const second = Math.floor(Date.now() / HELD_MS);
  if (begun.second !== second) begun = { second, count: 0 };
  if (begun.count >= MAX_HELD) return answer;
  begun.count += 1;
  await new Promise((resolve) => setTimeout(resolve, HELD_MS));
  return answer;
}
