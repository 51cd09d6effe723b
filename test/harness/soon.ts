/** Waits with an end: a test that waits for what never happens fails, and says what it was. */
import { setTimeout as sleep } from "node:timers/promises";

/** Far longer than anything here takes on a slow machine, ms. */
const LONG_ENOUGH = 60_000;
const POLL = 20;

/** The promise, or an Error that names what did not happen within `ms`. */
export async function soon<T>(
  what: string,
  promise: Promise<T>,
  ms: number = LONG_ENOUGH,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${ms / 1_000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Asks again and again until the answer is true; fails as `soon` does. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  ms: number = LONG_ENOUGH,
): Promise<void> {
  for (const end = Date.now() + ms; !(await isSo()); await sleep(POLL))
    if (Date.now() > end) throw new Error(`${what}: not within ${ms / 1_000} s`);
}
