/**
 * From a package set and its pulls to a layer plan: for `firn plan`, `npm start` and `firn build`.
 */
import { type DemandCount, demandShares } from "../../edge/contract/demand.ts";
import { BASE_PACKAGES, SHELL_PACKAGES } from "../../edge/contract/names.ts";
import type { System } from "../../edge/contract/records.ts";
import { buildPlan } from "./build.ts";
import type { GraphNode } from "./graph.ts";
import type { LayerPlan } from "./plan.ts";
import { channelGraph, type ChannelSource } from "./sources/channel.ts";
import { starterGraph } from "./sources/lock.ts";
import { type QueryClosure, storeGraph } from "./sources/store.ts";

/**
 * Where the reference graph is read. `dir`: the directory that prepareStarter returned. `packages`:
 * attribute → store path, of packages in this machine's store.
 */
export type PlanSource =
  | { readonly kind: "starter"; readonly dir: string; readonly system: System }
  | ({ readonly kind: "channel" } & ChannelSource)
  | {
      readonly kind: "store";
      readonly packages: ReadonlyMap<string, string>;
      readonly queryClosure: QueryClosure;
    };

export interface MakePlanOptions {
  readonly source: PlanSource;
  /** Counted pulls; without them, or with too few, all packages have the same demand. */
  readonly pulled?: DemandCount | undefined;
  /** Takes lines about the progress. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Fewer pulls than this are not used: they say little about demand. */
const MIN_PULLS = 100;
/** Share of images with `shell`, until pulls are counted. */
const USUAL_SHELL = 0.5;
const USUAL = new Map(SHELL_PACKAGES.map((name) => [name, USUAL_SHELL] as const));

/** Makes the layer plan. The same graph and counts give the same plan, byte for byte. */
export async function makePlan({
  source,
  pulled,
  log = () => {},
  signal,
}: MakePlanOptions): Promise<LayerPlan> {
  const nodes = await graphOf(source, log, signal);
  const enough = pulled !== undefined && pulled.pulls >= MIN_PULLS;
  if (pulled)
    log(
      enough
        ? `demand from ${pulled.pulls} pulls`
        : `only ${pulled.pulls} pulls were counted, which is too few: they are not used`,
    );
  const plan = buildPlan(nodes, {
    usual: USUAL,
    base: BASE_PACKAGES,
    ...(enough ? { demand: demandShares(pulled) } : {}),
  });
  log(
    `layer plan: ${plan.gains.length} classes of ${Object.keys(plan.names).length} names, ` +
      `from ${nodes.length} store paths`,
  );
  return plan;
}

function graphOf(
  source: PlanSource,
  log: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<GraphNode[]> {
  switch (source.kind) {
    case "starter":
      return starterGraph(source.dir, source.system);
    case "channel":
      return channelGraph(source, { log, signal });
    case "store":
      return storeGraph(source.packages, source.queryClosure);
  }
}
