/**
 * Undoing at a test's end what it has begun, the last first: node:test's `after` begins with the
 * first.
 */
import type { TestContext } from "node:test";

/** Returns a function that takes what is to be done at the end of the test. */
export function cleanUp(t: TestContext): (undo: () => unknown) => void {
  const undoings: (() => unknown)[] = [];
  t.after(async () => {
    for (const undo of undoings.reverse()) await undo();
  });
  return (undo) => void undoings.push(undo);
}
