/** What runs a job, and what it may use for that. */
import type { Item, Result } from "../../edge/contract/items.ts";
import type { Sign } from "../../edge/contract/signatures.ts";
import type { JobRequests } from "./requests.ts";

/** What jobs may know of the edge that gives them. */
export interface EdgeTerms {
  /** Make zstd layers beside gzip ones. */
  readonly zstd: boolean;
  /** Signs a statement with the key that the edge knows this origin by. */
  readonly sign: Sign;
}

/**
 * What a job may use. `signal` aborts when nobody wants the job any more; `settled` aborts when, in
 * addition, the edge has its results: until then, what they were made from is needed. `log` takes
 * one line of output; `requests`: what it may ask the edge.
 */
export interface RunContext extends EdgeTerms {
  /** The edge's name of the build for which the job is. */
  readonly trace?: string | undefined;
  readonly signal: AbortSignal;
  readonly settled: AbortSignal;
  readonly log: (line: string) => void;
  readonly requests: JobRequests;
}

/**
 * Does a job: returns one result for each of its items, in order. Throws an error with a `failure`
 * (contract/messages.ts) when one reason applies to all of them; any other error is the origin's
 * own trouble.
 */
export type Run = (items: readonly Item[], context: RunContext) => Promise<readonly Result[]>;
