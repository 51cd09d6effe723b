/** `firn origin`: connects to its edges and does their jobs until it is told to stop. */
import { join } from "node:path";
import type { Logger } from "pino";
import { type PackageSetSpec, parsePackageSet } from "../edge/contract/package-set.ts";
import {
  type Channel,
  type ChannelState,
  connect,
  Destinations,
  type Run,
  Slots,
} from "./channel/index.ts";
import { Disk } from "./disk/watch.ts";
import { openLayers } from "./layers/index.ts";
import { tagLister } from "./list-tags.ts";
import { lockState } from "./local/lock.ts";
import { Metrics } from "./metrics.ts";
import { type FarmCache, type FarmCacheOptions, openFarmCache } from "./nix/cache/index.ts";
import { readSigningKey } from "./nix/cache/signing-key.ts";
import { openPackageSet } from "./nix/package-set.ts";
import { checkSandbox, checkVersion } from "./nix/safety.ts";
import { systemFeatures } from "./nix/system-features.ts";
import type { PackageSet, StopWatching } from "./nix/types.ts";
import type { OriginOptions } from "./origin-options.ts";
import { fileText } from "./process.ts";
import { jobRunner } from "./run-job.ts";
import { aborted } from "./stop-signal.ts";
import { version } from "./version.ts";

/**
 * How long an origin may take to stop after DRAIN, ms. An origin that is started in its place waits
 * for it so long.
 */
const HANDING_BACK_MS = 30_000;

/**
 * Runs until `stop` aborts; then finishes its jobs or hands them back, and returns. Throws an Error
 * for a person when it cannot start.
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
  const destinations = options.edges.map(() => new Destinations(options.bucketHosts));
  const farmCache = await openCache(
    options,
    { requests: () => channels[0]?.cache, destinations: destinations[0]! },
    logger,
  );
  // Before anything else that writes: on a full disk nothing else can be opened.
  const roots = { release: (): number => 0 };
  const disk = await openDisk(options, { channels, roots, logger });
  const packageSet = await openSet(spec, options, { hooks: farmCache.hooks, logger });
  roots.release = () => packageSet.release();
  const hello = {
    ...nix,
    ...(await checkSandbox(options, logger)),
    ...(await describeOrigin(options, spec, stop)),
  };
  const { ownBucket, stateDir, packMemory, libdeflate } = options;
  const cacheDir = join(stateDir, "layers");
  const store = openLayers({ ownBucket, cacheDir, packMemory, libdeflate, logger });
  const listTags = tagLister({
    list: () => packageSet.tags(stop),
    tell: (tags) => channels.forEach((channel) => channel.listTags(tags)),
    onError: ({ message: reason }) => logger.warn({ reason }, "the set's tags cannot be listed"),
  });
  const run = jobRunner({
    packageSet,
    store,
    policy: options.policy,
    limits: options,
    nix: nix.nix,
    onTagResolved: listTags,
    onFullDisk: () => void disk.full(),
  });
  const slots = new Slots(options.slots);
  const metrics = await openMetrics(options, { slots, channels, disk });
  const { name, key, drain } = options;
  const channel = { name, key, hello, run: metrics.counted(run), slots, logger };
  for (const [at, edge] of options.edges.entries()) {
    const own = { edge, destinations: destinations[at]! };
    const connection = connect({ ...channel, ...own, drainMs: drain * 1_000 });
    connection.status(disk.status);
    channels.push(connection);
  }
  listTags();
  const unwatch = announceRevisions(packageSet, channels, { logger, stop });

  await aborted(stop);
  logger.info("stopping: finishing running jobs, or handing them back");
  await unwatch();
  await Promise.all(channels.map((channel) => channel.drain()));
  await metrics.close();
  await farmCache.close();
  await disk.close();
  await store.close();
  unlock();
}

/** What the edges are told of this origin, beside its Nix. */
const describeOrigin = async (
  { systems, slots, ownBucket }: OriginOptions,
  { id, label }: PackageSetSpec,
  signal: AbortSignal,
) => ({
  version,
  features: await systemFeatures(signal),
  systems,
  slots,
  packageSet: { id, label },
  ownBucket: ownBucket !== undefined,
});

/** Watches the disk; when it is short now, makes room before anything else is opened. */
async function openDisk(
  { stateDir, diskBudget, diskGc, nixTimeout }: OriginOptions,
  {
    channels,
    roots,
    logger,
  }: {
    readonly channels: readonly Channel[];
    readonly roots: { readonly release: () => number };
    readonly logger: Logger;
  },
): Promise<Disk> {
  const disk = await Disk.open({
    stateDir,
    budget: diskBudget,
    gc: diskGc === "on",
    nixTimeout,
    release: () => roots.release(),
    logger,
    onStatus: (status) => channels.forEach((channel) => channel.status(status)),
  });
  if (!disk.status.accepting) await disk.check();
  return disk;
}

async function openMetrics(
  { edges, metricsPort }: OriginOptions,
  {
    slots,
    channels,
    disk,
  }: { readonly slots: Slots; readonly channels: readonly Channel[]; readonly disk: Disk },
): Promise<{ readonly counted: (run: Run) => Run; readonly close: () => Promise<void> }> {
  const metrics = new Metrics({
    version,
    slots,
    connections: () =>
      new Map(channels.map(({ state }, at) => [edges[at]?.host ?? "", isConnected(state)])),
    status: () => disk.status,
  });
  const close = metricsPort === undefined ? undefined : await metrics.listen(metricsPort);
  return { counted: (run) => metrics.counted(run), close: async () => close?.() };
}

/** The farm's binary cache, through the first edge's channel. */
function openCache(
  { stateDir, cacheKeyFile, cacheTrustedKeys }: OriginOptions,
  edge: Pick<FarmCacheOptions, "requests" | "destinations">,
  logger: Logger,
): Promise<FarmCache> {
  return openFarmCache({
    directory: join(stateDir, "cache"),
    key: cacheKeyFile === undefined ? undefined : readSigningKey(fileText(cacheKeyFile)),
    trustedKeys: cacheTrustedKeys,
    ...edge,
    logger,
  });
}

function openSet(
  spec: PackageSetSpec,
  options: OriginOptions,
  { hooks, logger }: { readonly hooks: FarmCache["hooks"]; readonly logger: Logger },
): Promise<PackageSet> {
  return openPackageSet(spec, {
    cache: hooks,
    stateDir: join(options.stateDir, "sets"),
    systems: options.systems,
    nixTimeout: options.nixTimeout,
    limits: options,
    channels: options.channelsUrl,
    archive: options.archiveUrl,
    allowedUris: options.allowedUris,
    logger,
  });
}

/** Tells the edges the revision of `latest`, now and whenever the package set reports another. */
function announceRevisions(
  packageSet: PackageSet,
  channels: readonly Channel[],
  { logger, stop }: { readonly logger: Logger; readonly stop: AbortSignal },
): StopWatching {
  const announced = new Map<string, string>();
  const announce = (tag: string, revision: string): void => {
    if (announced.get(tag) === revision) return;
    announced.set(tag, revision);
    logger.info({ tag, revision }, "the package set is at a revision");
    for (const channel of channels) channel.announce(tag, revision);
  };
  const unwatch = packageSet.watch(announce);
  // So that the first pull does not wait for it. A set that cannot be resolved now (the network is
  // not up yet) is resolved when somebody pulls.
  packageSet.resolve("latest", stop).then(
    (revision) => announce("latest", revision),
    (error: Error) =>
      logger.warn({ reason: error.message }, "the package set's revision is not known yet"),
  );
  return unwatch;
}

/**
 * Locks the state directory, for one origin alone. Returns how to unlock it; undefined when `stop`
 * aborted during the wait.
 */
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
      logger.warn({ holder, stateDir }, "waiting for another origin that uses the state directory"),
  }).catch((error: unknown) => {
    if (!stop.aborted) throw error;
    return undefined;
  });
}

const isConnected = (state: ChannelState): boolean => state === "connected" || state === "draining";
