/**
 * A package set whose packages have so many store paths that images of several need other levels
 * than images of one, and a layer plan that makes it so:
 *
 *   level   a, b, c: 20 light, 20 middle, 20 heavy paths each   d: 55 heavy   sh   base: cacert, iana-etc
 *   0       61 layers                                            56            1    1
 *   1       41                                                   56            1    1
 *   2       21                                                   56            1    1
 *   3       1                                                    1             1    1
 *
 * So an image of sh, a and d has exactly as many layers as an image may have
 * (edge/contract/records.ts, MAX_LAYERS). Each program prints all that its package needs, so that
 * an image runs only when no layer is missing.
 */
import { operatorBucket } from "../../origin/plan/operator-bucket.ts";
import { blobPath, canonicalJson, planPath } from "../../edge/contract/keys.ts";
import type { BucketAccess } from "../../origin/layers/index.ts";
import { SHELL } from "./tiny-set.ts";
import { type LayerPlan, PLAN_VERSION, planId } from "../../origin/plan/plan.ts";

const WEIGHTS = ["light", "middle", "heavy"] as const;
type Weight = (typeof WEIGHTS)[number];
/** Gains that the plan gives, and thresholds between them. */
const GAINS: Record<Weight, number> = { light: 100, middle: 200, heavy: 300 };
const THRESHOLDS = [1, 150, 250];

export const COUNTS: Readonly<Record<string, Readonly<Record<Weight, number>>>> = {
  a: { light: 20, middle: 20, heavy: 20 },
  b: { light: 20, middle: 20, heavy: 20 },
  c: { light: 20, middle: 20, heavy: 20 },
  d: { light: 0, middle: 0, heavy: 55 },
};

const names = (name: string): string[] =>
  WEIGHTS.flatMap((weight) =>
    Array.from(
      { length: COUNTS[name]?.[weight] ?? 0 },
      (_, number) => `${name}-${weight}-${number + 1}`,
    ),
  );

/** What the program of a package prints. */
export const printed = (name: string): string => names(name).join("\n");

/** Attributes for tinySet. */
export const LAYERED = `
${SHELL}
${Object.keys(COUNTS)
  .map(
    (name) => `  ${name} = mk "${name}" ''
    mkdir -p $out/bin
    echo '#!/bin/sh' > $out/bin/${name}
    echo 'cat ${names(name)
      .map((path) => `\${builtins.toFile "${path}" "${path}\\n"}`)
      .join(" ")}' >> $out/bin/${name}
    chmod +x $out/bin/${name}
  '';`,
  )
  .join("\n")}
`;

/** The plan of the table above. */
export const layeredPlan = (thresholds: readonly number[] = THRESHOLDS): LayerPlan => {
  const classes = Object.keys(COUNTS).flatMap((name) =>
    names(name).map((path) => ({ path, gain: GAINS[path.split("-")[1] as Weight] })),
  );
  return {
    version: PLAN_VERSION,
    thresholds: [...thresholds],
    smallPart: 0,
    gains: classes.map(({ gain }) => gain),
    names: Object.fromEntries(classes.map(({ path }, number) => [path, [number, 1]])),
  };
};

/**
 * Puts a plan in force, as `firn plan` does; an edge that has looked already sees it after a
 * restart, or a minute. Returns its identity.
 */
export async function putPlan(
  s3: BucketAccess,
  packageSet: string,
  plan: LayerPlan,
): Promise<string> {
  const bucket = operatorBucket(s3);
  const id = await planId(plan);
  await bucket.put(blobPath(`sha256:${id}`), canonicalJson(plan), "application/json");
  await bucket.put(planPath(packageSet), JSON.stringify({ plan: id }), "application/json");
  return id;
}
