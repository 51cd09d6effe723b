/** What the runtime passes to the Worker: its bindings, and the variables (variables.ts). */
import type { Limit, Limited } from "./access/limits.ts";
import type { Variables } from "./variables.ts";
import type { GcProgress, GcTerms } from "./contract/housekeeping.ts";
import type { Item } from "./contract/items.ts";
import type { LogLines } from "./farm/builds/build-log.ts";
import type { Answer, Asker, Ending, Reply } from "./farm/builds/answer.ts";
import type { FarmOverview } from "./farm/overview.ts";

/** What the Worker and Build objects call on the Farm object (farm/farm.ts). */
export interface FarmRpc extends Rpc.DurableObjectBranded {
  fetch(request: Request): Promise<Response>;
  request(build: string, items: readonly Item[], asker: Asker): Promise<Reply>;
  follow(build: string, on: boolean): Promise<void>;
  revoke(name: string): Promise<boolean>;
  reinstate(name: string): Promise<boolean>;
  drain(name: string, drained?: boolean): Promise<boolean>;
  rest(name: string, ms: number): Promise<boolean>;
  overview(): Promise<FarmOverview>;
}

/** What the Worker and the Farm object call on a Build object (farm/builds/build.ts). */
export interface BuildRpc extends Rpc.DurableObjectBranded {
  ask(items: readonly Item[], waitMs: number, asker: Asker): Promise<Answer>;
  /** `farm`: name of the Farm object that reports the endings. */
  deliver(endings: ReadonlyMap<string, Ending>, farm: string): Promise<void>;
  log(lines: LogLines): Promise<void>;
  fetch(request: Request): Promise<Response>;
}

/** What the Worker calls on the Totals object (pull/totals.ts). */
export interface TotalsRpc extends Rpc.DurableObjectBranded {
  add(name: Limited, limit: Limit): Promise<number>;
}

/**
 * What the Worker and the Farm object call on the Housekeeping object
 * (housekeeping/housekeeping.ts).
 */
export interface HousekeepingRpc extends Rpc.DurableObjectBranded {
  /** store/claims.ts. */
  claim(keys: readonly string[]): Promise<readonly string[]>;
  /**
   * Records that these images, named by `pulledImage` (contract/housekeeping.ts), were pulled
   * today.
   */
  pulled(images: readonly string[]): Promise<void>;
  /**
   * Restores the images of a name, given by its key, that the current run has deleted. Returns
   * whether there were any.
   */
  bringBack(nameKey: string): Promise<boolean>;
  begin(terms: GcTerms): Promise<GcProgress | { readonly busy: GcProgress }>;
  step(run: string): Promise<GcProgress | null>;
}

export interface Env extends Variables {
  /**
   * R2 binding for reads, and for the records that the edge writes. Absent when S3_ENDPOINT names
   * another bucket.
   */
  readonly BUCKET?: R2Bucket;
  /** The page's files (edge/site). Absent: browsers get the same plain text as other clients. */
  readonly ASSETS?: Pick<Fetcher, "fetch">;
  readonly FARM: DurableObjectNamespace<FarmRpc>;
  readonly BUILD: DurableObjectNamespace<BuildRpc>;
  /** Counts over all locations. Absent: LIMIT_TOTAL_IMAGES is not enforced. */
  readonly TOTALS?: DurableObjectNamespace<TotalsRpc>;
  /** Garbage collection. Absent: nothing is collected. */
  readonly HOUSEKEEPING?: DurableObjectNamespace<HousekeepingRpc>;

  /**
   * Workers Analytics Engine, which counts pulls (pull/count-pulls.ts). Absent: counts go to the
   * bucket.
   */
  readonly DEMAND?: AnalyticsEngineDataset;
}
