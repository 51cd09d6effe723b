/** The interface between the channel and what runs its jobs. */
import type { Item, Result } from "../../edge/contract/items.ts";
import type { Sign } from "../../edge/contract/signatures.ts";
import type { JobRequests } from "./requests.ts";

/** What a job needs to know of its edge. */
export interface EdgeTerms {
  /** Make zstd layers beside gzip ones. */
  readonly zstd: boolean;
  /** Signs a statement with the key by which the edge knows this origin. */
  readonly sign: Sign;
}

/**
 * What a job may use. `signal` aborts when nobody wants the job any more. `settled` aborts then,
 * and when the edge has stored the results, for which the built store paths are needed until then.
 * `log` takes a line of output; `requests` asks the edge.
 */
export interface RunContext extends EdgeTerms {
  /** The edge's name for the build that needs the job, for logs. */
  readonly trace?: string | undefined;
  readonly signal: AbortSignal;
  readonly settled: AbortSignal;
  readonly log: (line: string) => void;
  readonly requests: JobRequests;
}

/**
 * Runs a job; returns one result for each of its items, in order. Throws an error with a `failure`
 * (contract/items.ts) when one reason applies to all items. Any other error is reported as a
 * problem of this origin (reason `error`), so that another origin tries.
 */
export type Run = (items: readonly Item[], context: RunContext) => Promise<readonly Result[]>;
