/** The layer plan by which an image is built on this machine. */
import { canonicalJson } from "../../edge/contract/keys.ts";
import type { PackageSetSpec } from "../../edge/contract/package-set.ts";
import { SYSTEMS } from "../../edge/contract/records.ts";
import { type LayerPlan, makePlan, NO_PLAN_ID, parsePlan, planId } from "../plan/index.ts";
import { fileText } from "../process.ts";
import { prepareStarter } from "../starter/index.ts";
import type { DirectoryBucket } from "./directory-bucket.ts";

/**
 * Writes the layer plan into the directory, where jobs read it; returns its identity. `planFile`: a
 * file with the plan; the first plan of the set when left out.
 */
export async function putPlan(
  planFile: string | undefined,
  { kind }: PackageSetSpec,
  bucket: DirectoryBucket,
  setsDir: string,
): Promise<string> {
  const plan = planFile === undefined ? await firstPlanOf(kind, setsDir) : readPlan(planFile);
  if (plan === undefined) return NO_PLAN_ID;
  await bucket.putText(canonicalJson(plan));
  return planId(plan);
}

/** The plan that a new registry puts in force: for a starter set, one from its whole graph. */
async function firstPlanOf(
  kind: PackageSetSpec["kind"],
  stateDir: string,
): Promise<LayerPlan | undefined> {
  if (kind !== "starter") return undefined;
  const { dir } = await prepareStarter({ stateDir, systems: SYSTEMS, log: () => {} });
  return makePlan({ source: { kind, dir, system: SYSTEMS[0] } });
}

function readPlan(file: string): LayerPlan {
  const text = fileText(file);
  try {
    return parsePlan(text);
  } catch (error) {
    throw new Error(`${file} is not a layer plan: ${(error as Error).message}`, { cause: error });
  }
}
