/** A part of the bench: figures that are measured together, by one module with one export. */
import type { Need } from "../../origin/local/needs.ts";
import type { Report } from "./figures.ts";

export interface BenchOptions {
  /** Runs of each measurement; the part's own number when left out. */
  readonly runs?: number;
  /** Round-trip time between client and registry, milliseconds. */
  readonly rtt: number;
  /** Megabits per second from registry to clients; unlimited when left out. */
  readonly mbit?: number;
  /** farm: connected origins, and items in the long queue. */
  readonly origins?: number;
  readonly items?: number;
  /** Draws what the part draws at random. */
  readonly seed: number;
  /** A git revision of this repository that is measured beside this tree. */
  readonly against?: string;
  /** More registries that are measured beside this tree's, by name: their URLs. */
  readonly registries: ReadonlyMap<string, string>;
  /** Whether somebody asked for this figure, or for any of a group of figures. */
  readonly wanted: (name: string) => boolean;
  /** Ends the bench; what was started is stopped. */
  readonly signal: AbortSignal;
}

export interface Part {
  /** First components of the names of its figures. */
  readonly groups: readonly string[];
  /** Programs, besides those of an origin. */
  readonly needs: readonly Need[];
  /** Whether it needs root. */
  readonly root?: boolean;
  readonly run: (options: BenchOptions, report: Report) => Promise<void>;
}
