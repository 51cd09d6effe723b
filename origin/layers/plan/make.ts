/** From a package set to its layer plan: what the command `firn plan`, and an origin that serves the starter set, call. */
import { BASE_PACKAGES, SHELL_PACKAGES } from "../../../edge/image/names.ts";
import type { System } from "../../../edge/image/records.ts";
import { buildPlan } from "./build.ts";
import type { GraphNode } from "./graph.ts";
import type { LayerPlan } from "./plan.ts";
import { channelGraph, type ChannelSource } from "./sources/channel.ts";
import { type DemandBucket, readDemand } from "./sources/demand.ts";
import { starterGraph } from "./sources/lock.ts";
import { type QueryClosure, storeGraph } from "./sources/store.ts";

/** Where the reference graph is read. */
export type PlanSource =
  | { readonly kind: "starter"; /** What prepareStarter returned. */ readonly dir: string; readonly system: System }
  | ({ readonly kind: "channel" } & ChannelSource)
  | { readonly kind: "store"; /** Attribute → store path, of what is in the store. */ readonly packages: ReadonlyMap<string, string>; readonly queryClosure: QueryClosure };

export interface MakePlanOptions {
  /** Identity of the package set, by which its demand was counted. */
  readonly packageSet: string;
  readonly source: PlanSource;
  /** The bucket with the edge's counts; without it everything is wanted alike. */
  readonly bucket?: DemandBucket | undefined;
  /** Progress, for a person. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Share of images with `shell`, until pulls are counted. */
const USUAL_SHELL = 0.5;
const USUAL = new Map([...SHELL_PACKAGES.map((name) => [name, USUAL_SHELL] as const), ...BASE_PACKAGES.map((name) => [name, 1] as const)]);

/** Makes the layer plan. The same graph and counts give the same plan, byte for byte. */
export async function makePlan({ packageSet, source, bucket, log = () => {}, signal }: MakePlanOptions): Promise<LayerPlan> {
  const nodes = await graphOf(source, log, signal);
  const counted = bucket && (await readDemand(bucket, packageSet, log));
  if (counted) log(counted.demand ? `demand from ${counted.pulls} pulls` : `only ${counted.pulls} pulls were counted: everything is taken to be wanted alike`);
  const plan = buildPlan(nodes, { usual: USUAL, ...(counted?.demand ? { demand: counted.demand } : {}) });
  log(`layer plan: ${plan.classes.length} classes of ${Object.keys(plan.names).length} names, from ${nodes.length} store paths`);
  return plan;
}

function graphOf(source: PlanSource, log: (line: string) => void, signal: AbortSignal | undefined): Promise<GraphNode[]> {
  switch (source.kind) {
    case "starter":
      return starterGraph(source.dir, source.system);
    case "channel":
      return channelGraph(source, { log, signal });
    case "store":
      return storeGraph(source.packages, source.queryClosure);
  }
}
