/** A whole Firn of this tree for a measurement. */
import { type Firn, type FirnOptions, startFirn } from "../harness/firn.ts";
import { takeSignals } from "./signals.ts";

/** Starts it, and stops it after `use`. When `use` throws, Firn's log goes to stderr. */
export async function withFirn<T>(
  options: FirnOptions,
  use: (firn: Firn) => Promise<T>,
): Promise<T> {
  const firn = await startFirn(options);
  takeSignals();
  try {
    return await use(firn);
  } catch (error) {
    process.stderr.write(`${firn.log()}\n`);
    throw error;
  } finally {
    await firn.stop();
  }
}

/** Wall time of `work`, seconds. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1_000;
}
