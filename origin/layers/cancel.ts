/**
 * A flag in shared memory: a worker thread in the middle of a long loop sees it without reading its
 * messages.
 */
export type CancelFlag = Int32Array<SharedArrayBuffer>;

export const cancelFlag = (): CancelFlag => new Int32Array(new SharedArrayBuffer(4));

export function cancel(flag: CancelFlag): void {
  Atomics.store(flag, 0, 1);
}

/** Throws when nobody wants the work any more. */
export function requireWanted(flag: CancelFlag): void {
  if (Atomics.load(flag, 0) !== 0) throw new Error("cancelled: nobody waits for this any more");
}
