/**
 * What the runtime hands to the Worker: its bindings, and the variables, which only config.ts reads.
 */
import type { Variables } from "./config.ts";
import type { Work } from "./contract/messages.ts";
import type { Answer } from "./farm/answer.ts";
import type { Settlement } from "./farm/pieces.ts";

/**
 * What the farm says to a Build that brings work: `taken`, with what is known already; the rest is
 * told to `Build.settle` later.
 */
export type Reply =
  | { readonly state: "taken"; readonly settled: readonly Settlement[] }
  | { readonly state: "no-origin" }
  | { readonly state: "queue-full" };

/** What other objects and the Worker call on the Farm object (farm/farm.ts). */
export interface FarmRpc extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  request(build: string, work: Work, have: readonly string[]): Promise<Reply>;
}

/** What other objects and the Worker call on a Build object (farm/build.ts). */
export interface BuildRpc extends Rpc.DurableObjectBranded {
  ask(work: Work, waitMs: number): Promise<Answer>;
  settle(settlements: readonly Settlement[]): Promise<void>;
}

export interface Env extends Variables {
  /**
   * R2 binding for reads and for the records that the edge writes. Absent when S3_ENDPOINT names
   * another bucket.
   */
  readonly BUCKET?: R2Bucket;
  readonly FARM: DurableObjectNamespace<FarmRpc>;
  readonly BUILD: DurableObjectNamespace<BuildRpc>;

  /**
   * Workers Analytics Engine: what is pulled is counted there (pull/demand.ts). Absent: in the
   * bucket.
   */
  readonly DEMAND?: AnalyticsEngineDataset;
}
