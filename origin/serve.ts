/** `firn origin`: connects to its edges and does their jobs until it is told to stop. */
import { join } from "node:path";
import type { Logger } from "pino";
import type { IndexItem, Item, PackageItem, Result } from "../edge/contract/items.ts";
import type { PackagePolicy } from "../edge/contract/package-policy.ts";
import { parsePackageSet } from "../edge/contract/package-set.ts";
import type { System } from "../edge/contract/records.ts";
import {
  type Channel,
  type ChannelState,
  connect,
  type RunContext,
  Slots,
} from "./channel/index.ts";
import type { DiskBudget } from "./disk/budget.ts";
import { isDiskFull } from "./disk/full.ts";
import { Disk } from "./disk/watch.ts";
import { type BucketAccess, openLayers } from "./layers/index.ts";
import { lockState } from "./local/lock.ts";
import { Metrics } from "./metrics.ts";
import { checkSandbox, checkVersion } from "./nix/safety.ts";
import { openFarmCache } from "./nix/cache/index.ts";
import { readSigningKey } from "./nix/cache/signing-key.ts";
import type { NixLimits } from "./nix/limits.ts";
import { systemFeatures } from "./nix/system-features.ts";
import { openPackageSet } from "./nix/package-set.ts";
import { fileText } from "./process.ts";
import { planStore } from "./plan/plans.ts";
import { withPolicy } from "./policy.ts";
import { publishIndexes } from "./publish/indexes.ts";
import { tagLister } from "./list-tags.ts";
import { publish } from "./publish/publish.ts";
import { aborted } from "./stop-signal.ts";
import { version } from "./version.ts";

export interface OriginOptions extends NixLimits {
  readonly edges: readonly URL[];
  readonly name: string;
  /** Its Ed25519 private key, JWK as JSON. */
  readonly key: string;
  readonly packageSet: string;
  readonly systems: readonly System[];
  /** Jobs at once, over all edges. */
  readonly slots: number;
  /** Credentials for the bucket; without them the edges sign its uploads. */
  readonly ownBucket?: BucketAccess | undefined;
  /** Keeps caches, clones and garbage collector roots; may be lost at any time. */
  readonly stateDir: string;
  /** Longest nix-build, seconds. */
  readonly nixTimeout: number;
  /** The farm's binary cache: the file with the key that signs, and the keys that are trusted. */
  readonly cacheKeyFile?: string;
  readonly cacheTrustedKeys: readonly string[];
  /** How much disk it may use, and whether it may run Nix's garbage collector for that. */
  readonly diskBudget: DiskBudget;
  readonly diskGc: "on" | "off";
  /**
   * How long jobs may take to finish when it is told to stop, seconds; the rest are handed back.
   */
  readonly drain: number;
  /** Memory that packing may use, bytes. */
  readonly packMemory: number;
  /** libdeflate's file, where the system's loader does not find it. */
  readonly libdeflate?: string;
  /**
   * Base URL of the channels, and URL of a commit's archive with {revision} in it; by default those
   * of nixos.org and GitHub.
   */
  readonly channelsUrl?: string;
  readonly archiveUrl?: string;
  /** URI prefixes that an evaluation may fetch from. */
  readonly allowedUris?: readonly string[];
  /** Port of 127.0.0.1 for its metrics; none when left out. */
  readonly metricsPort?: number;
  /** What may be evaluated and built. */
  readonly policy: PackagePolicy;
  /**
   * Serve edges that strangers can reach even with a Nix whose sandbox is known to leak, without a
   * sandbox, or building as root.
   */
  readonly allowVulnerableNix: boolean;
  readonly allowUnsandboxed: boolean;
}

/**
 * How long an origin that was told to stop may take after DRAIN, ms: one that is started in its
 * place waits for it.
 */
const HANDING_BACK_MS = 30_000;

/**
 * Runs until `stop` aborts; then finishes or hands back its jobs and returns. Throws when it cannot
 * start.
 */
export async function serve(
  options: OriginOptions,
  logger: Logger,
  stop: AbortSignal,
): Promise<void> {
  const nix = await checkVersion(options, logger);
  const spec = await parsePackageSet(options.packageSet);
  const unlock = await takeState(options, logger, stop);
  if (unlock === undefined) return;
  const channels: Channel[] = [];
  const { cacheKeyFile, cacheTrustedKeys } = options;
  const farmCache = await openFarmCache({
    directory: join(options.stateDir, "cache"),
    key: cacheKeyFile === undefined ? undefined : readSigningKey(fileText(cacheKeyFile)),
    trustedKeys: cacheTrustedKeys,
    requests: () => channels[0]?.cache,
    logger,
  });
  // Before anything else: on a full disk nothing else can be opened.
  let release = noRoots;
  const disk = await Disk.open({
    stateDir: options.stateDir,
    budget: options.diskBudget,
    gc: options.diskGc === "on",
    nixTimeout: options.nixTimeout,
    release: () => release(),
    logger,
    onStatus: (status) => channels.forEach((channel) => channel.status(status)),
  });
  if (!disk.status.accepting) await disk.check();
  const packageSet = await openPackageSet(spec, {
    cache: farmCache.hooks,
    stateDir: join(options.stateDir, "sets"),
    systems: options.systems,
    nixTimeout: options.nixTimeout,
    limits: options,
    ...(options.channelsUrl === undefined ? {} : { channels: options.channelsUrl }),
    ...(options.archiveUrl === undefined ? {} : { archive: options.archiveUrl }),
    ...(options.allowedUris === undefined ? {} : { allowedUris: options.allowedUris }),
    logger,
  });
  release = () => packageSet.release();
  const sandbox = await checkSandbox(options, logger);
  const store = openLayers({
    ...(options.ownBucket === undefined ? {} : { ownBucket: options.ownBucket }),
    cacheDir: join(options.stateDir, "layers"),
    packMemory: options.packMemory,
    ...(options.libdeflate === undefined ? {} : { libdeflate: options.libdeflate }),
    logger,
  });
  const plans = planStore();

  const listTags = tagLister({
    list: () => packageSet.tags(stop),
    tell: (tags) => channels.forEach((channel) => channel.listTags(tags)),
    onError: ({ message }) => logger.warn({ reason: message }, "cannot list the set's tags"),
  });

  const results = async (
    items: readonly Item[],
    context: RunContext,
  ): Promise<readonly Result[]> => {
    const [first] = items;
    if (first === undefined) return [];
    if (first.kind === "tag") {
      const revision = await packageSet.resolve(first.tag, context.signal);
      listTags();
      return [{ kind: "revision", revision }];
    }
    const { signal, sign } = context;
    const layers = store.of(context.requests);
    if (first.kind === "index")
      return withPolicy(options.policy, items.filter(isIndex), (allowed) =>
        publishIndexes(allowed, { packageSet, layers, signal, sign }),
      );
    return withPolicy(options.policy, items.filter(isPackage), (allowed) =>
      publish(first, allowed, {
        ...context,
        packageSet,
        metadata: (request, names, until) => packageSet.metadata(request, names, until),
        layers,
        plans,
        nix: nix.nix,
        limits: options,
      }),
    );
  };

  const run = async (items: readonly Item[], context: RunContext): Promise<readonly Result[]> => {
    try {
      const made = await results(items, context);
      if (made.some((result) => result.kind === "failure" && isDiskFull(result.failure)))
        void disk.full();
      return made;
    } catch (error) {
      if (isDiskFull(error)) void disk.full();
      throw error;
    }
  };

  const hello = {
    version,
    ...nix,
    ...sandbox,
    features: await systemFeatures(stop),
    systems: [...options.systems],
    slots: options.slots,
    packageSet: { id: spec.id, label: spec.label },
    ownBucket: options.ownBucket !== undefined,
  };
  const slots = new Slots(options.slots);
  const metrics = new Metrics({
    version,
    slots,
    connections: () =>
      new Map(channels.map(({ state }, at) => [options.edges[at]?.host ?? "", isConnected(state)])),
    status: () => disk.status,
  });
  const closeMetrics =
    options.metricsPort === undefined ? undefined : await metrics.listen(options.metricsPort);
  for (const edge of options.edges) {
    const channel = connect({
      edge,
      name: options.name,
      key: options.key,
      hello,
      run: metrics.counted(run),
      slots,
      drainMs: options.drain * 1_000,
      logger,
    });
    channel.status(disk.status);
    channels.push(channel);
  }
  const announced = new Map<string, string>();
  const announce = (tag: string, revision: string): void => {
    if (announced.get(tag) === revision) return;
    announced.set(tag, revision);
    logger.info({ tag, revision }, "the package set is at a revision");
    for (const channel of channels) channel.announce(tag, revision);
  };
  const unwatch = packageSet.watch(announce);
  listTags();
  // Resolved before anybody asks, so that the first pull does not wait for it. A set that cannot be
  // resolved now (no network yet) is resolved when somebody pulls.
  packageSet.resolve("latest", stop).then(
    (revision) => announce("latest", revision),
    (error: Error) =>
      logger.warn({ reason: error.message }, "cannot tell the package set's revision yet"),
  );

  await aborted(stop);
  logger.info("stopping: finishing the jobs at hand, or handing them back");
  await unwatch();
  await Promise.all(channels.map((channel) => channel.drain()));
  await closeMetrics?.();
  await farmCache.close();
  await disk.close();
  await store.close();
  unlock();
}

/** One origin per state directory; undefined when it was told to stop while it waited. */
function takeState(
  { stateDir, drain }: OriginOptions,
  logger: Logger,
  stop: AbortSignal,
): Promise<(() => void) | undefined> {
  return lockState(stateDir, {
    variable: "STATE_DIR",
    waitMs: drain * 1_000 + HANDING_BACK_MS,
    signal: stop,
    onWait: (holder) =>
      logger.warn({ holder, stateDir }, "another origin has the state directory: waiting for it"),
  }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
    return undefined;
  });
}

/** Before the package set is open. */
const noRoots = (): number => 0;
const isConnected = (state: ChannelState): boolean => state === "connected" || state === "draining";
const isIndex = (item: Item): item is IndexItem => item.kind === "index";
const isPackage = (item: Item): item is PackageItem => item.kind === "package";
