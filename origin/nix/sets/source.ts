/**
 * What the kinds of package sets differ in: how a tag becomes a revision, and a revision a source
 * in the store. All else is the same (package-set.ts).
 */
import type { Source } from "../evaluate/describe.ts";

export interface Backend {
  resolve(tag: string, signal: AbortSignal): Promise<string>;
  /**
   * Brings the revision's source into the store. Throws a FailureError of reason unknown when there
   * is no such revision.
   */
  source(revision: string, signal: AbortSignal): Promise<Source>;
  watch(onChange: (tag: string, revision: string) => void): () => void;
}

/** The form of every revision (records.ts). */
export const REVISION = /^[0-9a-f]{40}$/;

/** A watch for sets that change only when somebody asks. */
export const unwatched: Backend["watch"] = () => () => {};
