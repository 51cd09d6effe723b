/** What the farm answers. */
import type { Failure, Result } from "../contract/messages.ts";

/**
 * What became of the work.
 * - `done`: the tag is resolved, or every item of a publish has its outcome (a package's own
 *   failure is an outcome, the others are published all the same). Everything named is in the
 *   bucket, and the records are written.
 * - `failed`: the tag cannot be resolved. A publish is never `failed` as a whole: its items carry
 *   their failures.
 * - `building`: not ready within the time the caller waits; the work goes on.
 * - `no-origin`: no connected origin builds for this system. - `queue-full`: the farm takes no more
 *   work for now.
 */
export type Answer =
  | { readonly state: "done"; readonly result: Result }
  | { readonly state: "failed"; readonly failure: Failure }
  | { readonly state: "building" }
  | { readonly state: "no-origin" }
  | { readonly state: "queue-full" };
