/**
 * The layer plan: which store paths share a layer, decided for a package set as a whole. Start
 * reading at build.ts.
 */
export { buildPlan, type Demand, type PlanOptions } from "./build.ts";
export { type Cut, cutClosure, cutGroups } from "./cut.ts";
export type { GraphNode } from "./graph.ts";
export { makePlan, type MakePlanOptions, type PlanSource } from "./make.ts";
export { type LayerPlan, LayerPlanSchema, NO_PLAN, NO_PLAN_ID, parsePlan, planId } from "./plan.ts";
export { type DemandBucket, readDemand } from "./sources/demand.ts";
