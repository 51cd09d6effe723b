/**
 * `firn plan`: makes a layer plan from the package set's reference graph and the counted pulls,
 * writes it into the bucket, and puts it in force.
 */
import { join } from "node:path";
import { hostname, userInfo } from "node:os";
import * as v from "valibot";
import type { Digest } from "../../edge/contract/digest.ts";
import { blobPath, canonicalJson, packagesPrefix, planPath } from "../../edge/contract/keys.ts";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import { PackageRecordSchema, type System, SYSTEMS } from "../../edge/contract/records.ts";
import { type AnalyticsAccess, analyticsDemand } from "./sources/analytics.ts";
import { type LayerPlan, makePlan, planId, type PlanSource, readDemand } from "./index.ts";
import { MAX_PLAN_BYTES, PlanTooLarge } from "../layers/plan-bytes.ts";
import { queryClosure, validPaths } from "../nix/build/closure.ts";
import type { OperatorBucket } from "./operator-bucket.ts";
import { planStore } from "./plans.ts";
import { prepareStarter } from "../starter/index.ts";

export interface PlanOptions {
  readonly packageSet: string;
  /** The system whose graph is used; names of store paths are the same in the others. */
  readonly system: System;
  readonly stateDir: string;
  readonly bucket: OperatorBucket;
  /** For channels: URL of store-paths.xz, and of the binary cache. */
  readonly storePaths: string;
  readonly cache: string;
  /** Where pulls are counted; default: in the bucket. */
  readonly analytics?: AnalyticsAccess | undefined;
  /** Whether to do nothing when a plan is in force that this version of Firn can use. */
  readonly onlyFirst?: boolean;
  /** Whether to make the plan and write nothing. */
  readonly dryRun?: boolean;
  readonly log: (line: string) => void;
}

/** Who puts the plan in force: the operator's account if set, else this machine's user. */
const maker = (): string => process.env["FIRN_USER"] || `${userInfo().username}@${hostname()}`;

const PointerSchema = v.object({ plan: v.string() });

/**
 * Makes a plan and puts it in force; returns its identity. Throws an Error for a person when the
 * graph or the bucket cannot be read, or the bucket cannot be written.
 */
export async function plan(options: PlanOptions): Promise<string> {
  const { bucket } = options;
  // The user did not ask for a first plan, so it is made without messages.
  const log = options.onlyFirst ? () => {} : options.log;
  const spec = await parsePackageSet(options.packageSet);
  const inForce = await currentPlan(bucket, spec.id);
  if (options.onlyFirst && inForce !== null) {
    const trouble = await troubleWith(bucket, inForce);
    if (trouble === undefined) return inForce;
    options.log(trouble);
  }
  const pulled = options.analytics
    ? await analyticsDemand(options.analytics, spec.id)
    : await readDemand(bucket, spec.id, log);
  const made = await makePlan({ source: await sourceOf(spec, options), pulled, log });
  const id = await planId(made);
  if (options.dryRun) log(`layer plan ${id}, not written`);
  else if (id === inForce) log(`layer plan ${id} is in force already`);
  else await putInForce(bucket, spec.id, made, id, log);
  return id;
}

async function currentPlan(bucket: OperatorBucket, set: string): Promise<string | null> {
  const bytes = await bucket.get(planPath(set));
  return bytes === null
    ? null
    : v.parse(PointerSchema, JSON.parse(new TextDecoder().decode(bytes))).plan;
}

/** Why origins cannot use a plan; undefined when they can. */
const troubleWith = (bucket: OperatorBucket, id: string): Promise<string | undefined> =>
  planStore()
    .load(id, (digest) => bucket.get(blobPath(digest)))
    .then(
      () => undefined,
      (error: Error) => error.message,
    );

/**
 * Writes the plan first and the pointer last, since no job may name a plan that does not exist.
 * Records and images of the old plan stay; the next pulls make new ones.
 */
async function putInForce(
  bucket: OperatorBucket,
  set: string,
  made: LayerPlan,
  id: string,
  log: (line: string) => void,
): Promise<void> {
  const digest: Digest = `sha256:${id}`;
  const text = canonicalJson(made);
  if (Buffer.byteLength(text) > MAX_PLAN_BYTES) throw new PlanTooLarge(`the layer plan ${id}`);
  await bucket.put(blobPath(digest), text, "application/json");
  await bucket.put(planPath(set), JSON.stringify({ plan: id, by: maker() }), "application/json");
  log(`layer plan ${id} is in force; edges see it within a minute`);
}

async function sourceOf(
  spec: PackageSetSpec,
  { system, stateDir, bucket, storePaths, cache, log }: PlanOptions,
): Promise<PlanSource> {
  switch (spec.kind) {
    case "starter":
      return {
        kind: "starter",
        system,
        dir: (await prepareStarter({ stateDir: join(stateDir, "sets"), systems: SYSTEMS, log }))
          .dir,
      };
    case "channel":
      return {
        kind: "channel",
        storePaths: storePaths.replaceAll("{channel}", spec.channel),
        cache,
        dir: join(stateDir, "narinfos"),
      };
    case "git":
    case "path":
    case "flake": {
      const packages = await builtPackages(bucket, spec.id, system);
      if (packages.size === 0)
        throw new Error(
          `no package of ${spec.label} that was published for ${system} is in this machine's ` +
            `Nix store: pull some images first, and plan on a machine that built them`,
        );
      log(`${packages.size} published packages are in the store`);
      return { kind: "store", packages, queryClosure };
    }
  }
}

/**
 * Published packages that are in this machine's store: attribute → store path. Of several revisions
 * the last in the order of the bucket's keys counts.
 */
async function builtPackages(
  bucket: OperatorBucket,
  set: string,
  system: System,
): Promise<Map<string, string>> {
  const packages = new Map<string, string>();
  for await (const key of bucket.list(packagesPrefix(set))) {
    if (!key.includes(`/${system}/`) || key.includes("~")) continue;
    const bytes = await bucket.get(key);
    const record =
      bytes === null
        ? undefined
        : v.safeParse(PackageRecordSchema, JSON.parse(new TextDecoder().decode(bytes)));
    if (record?.success) packages.set(record.output.attribute, record.output.storePath);
  }
  const valid = await validPaths([...packages.values()]);
  return new Map([...packages].filter(([, path]) => valid.has(path)));
}
