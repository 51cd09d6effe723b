/** The layer plan as data, its identity, and how a store path finds its class in it. */
import * as v from "valibot";
import { byName } from "../../edge/contract/by-name.ts";
import { sha256Hex } from "../../edge/contract/digest.ts";
import { canonicalJson } from "../../edge/contract/keys.ts";
import { MAX_LEVELS } from "../../edge/contract/records.ts";
import { commonPrefix, storeName, versionless } from "./names.ts";

/** To be increased when a plan of the same content cuts closures in another way. */
export const PLAN_VERSION = 2;

const amount = v.pipe(v.number(), v.finite(), v.minValue(0));

export const LayerPlanSchema = v.strictObject({
  version: v.literal(PLAN_VERSION),
  /**
   * Finest level first: at level n a class that gains at least `thresholds[n]` has a layer of its
   * own. After the last one comes a level of one layer for everything but the base.
   */
  thresholds: v.pipe(
    v.array(v.pipe(v.number(), v.finite())),
    v.minLength(1),
    v.maxLength(MAX_LEVELS - 1),
  ),
  /** NAR bytes below which a part goes into the profile layer; the base never does. */
  smallPart: amount,
  /** By class: what a layer of its own saves a client in some pulls, bytes. */
  gains: v.array(v.pipe(v.number(), v.finite())),
  /**
   * Store path's name without the hash (`git-2.39.5`) → [number of its class, packages of a mean
   * pull that hold this path].
   */
  names: byName(v.string(), v.tuple([v.pipe(v.number(), v.integer(), v.minValue(0)), amount])),
});
export type LayerPlan = v.InferOutput<typeof LayerPlanSchema>;

/** A store path's place in the plan. */
export interface Place {
  /** Number of its class. */
  readonly number: number;
  /** What a layer of its own for the class saves a client, bytes. */
  readonly gain: number;
  /** How many packages of a mean pull contain the path itself. */
  readonly load: number;
}

/**
 * The plan of a set that has none: every store path is a class of its own, with its size as the
 * gain, and all have the same demand.
 */
export const NO_PLAN: LayerPlan = {
  version: PLAN_VERSION,
  thresholds: [2_000_000, 10_000_000],
  smallPart: 1_000_000,
  gains: [],
  names: {},
};

/** Identity of NO_PLAN. */
export const NO_PLAN_ID = "none";

/** The plan's identity in keys of records: the SHA-256 of its canonical JSON, or NO_PLAN_ID. */
export async function planId(plan: LayerPlan): Promise<string> {
  return plan === NO_PLAN ? NO_PLAN_ID : sha256Hex(canonicalJson(plan));
}

/** Parses a plan from the bucket or a file. Throws an Error when it is not valid. */
export function parsePlan(text: string): LayerPlan {
  const plan = v.parse(LayerPlanSchema, JSON.parse(text));
  if (Object.values(plan.names).some(([number]) => number >= plan.gains.length))
    throw new Error("the layer plan names a class that it does not have");
  if (
    plan.thresholds.some(
      (threshold, level) => level > 0 && threshold <= plan.thresholds[level - 1]!,
    )
  )
    throw new Error("the layer plan's thresholds do not rise");
  return plan;
}

/**
 * Finds the place of a store path by its name, else by the nearest version of the name. `null`: the
 * plan has no version of it.
 */
export type Classifier = (path: string) => Place | null;

const classifiers = new WeakMap<LayerPlan, Classifier>();

/** The classifier of a plan, which is made once. */
export function classifier(plan: LayerPlan): Classifier {
  let known = classifiers.get(plan);
  if (!known) classifiers.set(plan, (known = makeClassifier(plan)));
  return known;
}

function makeClassifier(plan: LayerPlan): Classifier {
  const versions = new Map<string, string[]>();
  for (const name of Object.keys(plan.names).sort()) {
    const others = versions.get(versionless(name));
    if (others) others.push(name);
    else versions.set(versionless(name), [name]);
  }
  const found = new Map<string, Place | null>();
  const find = (name: string): Place | null => {
    const exact = Object.hasOwn(plan.names, name) ? name : undefined;
    // Of several versions the one with the longest common prefix, else the first.
    const nearest =
      exact ??
      versions
        .get(versionless(name))
        ?.reduce((best, other) =>
          commonPrefix(other, name) > commonPrefix(best, name) ? other : best,
        );
    if (nearest === undefined) return null;
    const [number, load] = plan.names[nearest]!;
    return { number, gain: plan.gains[number]!, load };
  };
  return (path) => {
    const name = storeName(path);
    let result = found.get(name);
    if (result === undefined) found.set(name, (result = find(name)));
    return result;
  };
}
