/** Waits with an end: a test that waits for what never happens fails, and says what it was. */

/** Far longer than anything here takes on a slow machine, ms. */
const LONG_ENOUGH = 60_000;

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
