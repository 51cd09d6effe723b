/**
 * A publish job from beginning to end: build the packages, read their closure, cut it by the plan,
 * make the layers, describe the packages. Nothing is said to be done before all its blobs are in
 * the bucket; running it twice, or on two origins at once, writes the same things.
 */
import type { Failure, Item, Outcome, PublishJob, Result } from "../edge/contract/messages.ts";
import {
  type Layer,
  type LevelRecord,
  type PackageRecord,
  RECORD_FORMAT,
} from "../edge/contract/records.ts";
import type { LayerStore } from "./layers/index.ts";
import { type Cut, cutClosure } from "./plan/index.ts";
import { queryClosure } from "./nix/build/closure.ts";
import { LogTail } from "./nix/log.ts";
import type { BuiltPackage, PackageSet, StorePathInfo } from "./nix/types.ts";
import type { PlanStore } from "./plan/plans.ts";

export interface PublishContext {
  readonly packageSet: PackageSet;
  readonly layers: LayerStore;
  readonly plans: PlanStore;
  /** Whether layers are also made with zstd. */
  readonly zstd: boolean;
  readonly signal: AbortSignal;
  /** One line of Nix's output. */
  readonly log: (line: string) => void;
}

interface Planned {
  readonly built: BuiltPackage;
  readonly closureSize: number;
  readonly cut: Cut;
}

/**
 * Does the job; throws only when no package of it can have an outcome (a full disk, a bucket that
 * does not answer).
 */
export async function publish(job: PublishJob, context: PublishContext): Promise<Result> {
  const tail = new LogTail();
  const log = (line: string): void => {
    tail.add(line);
    context.log(line);
  };
  const names = [...new Set(job.items.map((item) => item.name))];
  const [plan, builds] = await Promise.all([
    context.plans.load(job.plan),
    context.packageSet.build(
      { revision: job.revision, system: job.system, names },
      { signal: context.signal, log },
    ),
  ]);

  const built = builds.flatMap((outcome) => (outcome.kind === "built" ? [outcome.package] : []));
  const closure = await queryClosure(built.map((pkg) => pkg.storePath));
  const planned = new Map<string, Planned>();
  for (const pkg of built) {
    const own = reachable(pkg.storePath, closure);
    planned.set(pkg.name, {
      built: pkg,
      closureSize: sum(own),
      cut: await cutClosure(plan, pkg.storePath, own),
    });
  }

  const wanted = new Map<string, Cut["parts"][number]>();
  for (const item of job.items) {
    const cut = planned.get(item.name)?.cut;
    if (cut !== undefined)
      for (const part of partsAt(cut, levelOf(item, cut))) wanted.set(part.key, part);
  }
  const [made, listings] = await Promise.all([
    context.layers.make([...wanted.values()], { signal: context.signal, zstd: context.zstd }),
    Promise.all(
      built.map(
        async ({ name, storePath }) =>
          [
            name,
            await context.layers.listing(storePath, {
              narHash: infoOf(storePath, closure).narHash,
              signal: context.signal,
            }),
          ] as const,
      ),
    ),
  ]);
  const layerOf = new Map(made.map((layer) => [layer.key, layer]));
  const listingOf = new Map(listings);

  const failures = new Map(
    builds.flatMap((outcome) =>
      outcome.kind === "failure" ? [[outcome.name, outcome.failure] as const] : [],
    ),
  );
  const withLogs = await attachLog(failures, tail, context.layers);
  const outcomes = job.items.map((item): Outcome => {
    const plan = planned.get(item.name);
    const listing = listingOf.get(item.name);
    if (plan === undefined || listing === undefined) {
      const failure = withLogs.get(item.name) ?? {
        reason: "error",
        message: `the build gave no answer for ${item.name}`,
      };
      return {
        kind: "failure",
        name: item.name,
        ...(item.level === undefined ? {} : { level: item.level }),
        failure,
      };
    }
    const { built: pkg, cut } = plan;
    const level = levelOf(item, cut);
    const layers = partsAt(cut, level).map((part) => madeLayer(layerOf, part.key));
    if (item.level !== undefined) {
      const record: LevelRecord = { format: RECORD_FORMAT, level, layers };
      return { kind: "level", name: item.name, record };
    }
    const record: PackageRecord = {
      format: RECORD_FORMAT,
      packageSet: job.packageSet,
      revision: job.revision,
      system: job.system,
      plan: job.plan,
      name: item.name,
      attribute: pkg.attribute,
      pname: pkg.pname,
      version: pkg.version,
      ...(pkg.description === undefined ? {} : { description: pkg.description }),
      ...(pkg.mainProgram === undefined ? {} : { mainProgram: pkg.mainProgram }),
      storePath: pkg.storePath,
      closureSize: plan.closureSize,
      listing,
      parts: cut.parts.map(({ key, rank }) => ({ key, rank })),
      levels: cut.levels,
      level,
      layers,
    };
    return { kind: "package", name: item.name, record };
  });
  return { kind: "published", outcomes };
}

const levelOf = (item: Item, cut: Cut): number => item.level ?? cut.level;

function partsAt(cut: Cut, level: number): Cut["parts"] {
  const indexes = cut.levels[level];
  if (indexes === undefined || indexes.length === 0)
    throw new RangeError(
      `the plan has no usable level ${level} here; it has levels 0 to ${cut.levels.length - 1}`,
    );
  return indexes.map((index) => {
    const part = cut.parts[index];
    if (part === undefined)
      throw new RangeError(`level ${level} names part ${index}, which does not exist`);
    return part;
  });
}

function madeLayer(layers: ReadonlyMap<string, Layer>, key: string): Layer {
  const layer = layers.get(key);
  if (layer === undefined) throw new Error(`layer ${key} was asked for and not made`);
  return layer;
}

/** The closure of one store path within the closure of many. */
function reachable(
  root: string,
  all: ReadonlyMap<string, StorePathInfo>,
): Map<string, StorePathInfo> {
  const found = new Map<string, StorePathInfo>();
  const open = [root];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (found.has(path)) continue;
    const info = infoOf(path, all);
    found.set(path, info);
    open.push(...info.references);
  }
  return found;
}

function infoOf(path: string, closure: ReadonlyMap<string, StorePathInfo>): StorePathInfo {
  const info = closure.get(path);
  if (info === undefined) throw new Error(`Nix's database has no entry for ${path}`);
  return info;
}

const sum = (closure: ReadonlyMap<string, StorePathInfo>): number =>
  [...closure.values()].reduce((total, info) => total + info.narSize, 0);

/**
 * Failed builds get the job's whole log as a blob, so that a person can read more than the last
 * lines.
 */
async function attachLog(
  failures: ReadonlyMap<string, Failure>,
  tail: LogTail,
  layers: LayerStore,
): Promise<Map<string, Failure>> {
  const tellsMore = [...failures.values()].some(
    ({ reason }) => reason === "failed" || reason === "timeout",
  );
  if (!tellsMore || tail.empty) return new Map(failures);
  const logBlob = await layers.log(tail.text());
  return new Map(
    [...failures].map(([name, failure]) => [
      name,
      failure.reason === "failed" || failure.reason === "timeout"
        ? { ...failure, logBlob }
        : failure,
    ]),
  );
}
