/** `firn origin`: connects to its edges and does their jobs until it is told to stop. */
import { join } from "node:path";
import type { Logger } from "pino";
import { type PackageSetSpec, parsePackageSet } from "../edge/contract/package-set.ts";
import { type Channel, type ChannelState, connect, Destinations, Slots } from "./channel/index.ts";
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
  const destinations = options.edges.map(() => new Destinations(options.bucketHosts));
  const farmCache = await openCache(
    options,
    { requests: () => channels[0]?.cache, destinations: destinations[0]! },
    logger,
  );
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
  const packageSet = await openSet(spec, options, { hooks: farmCache.hooks, logger });
  release = () => packageSet.release();
  const sandbox = await checkSandbox(options, logger);
  const store = openLayers({
    ...(options.ownBucket === undefined ? {} : { ownBucket: options.ownBucket }),
    cacheDir: join(options.stateDir, "layers"),
    packMemory: options.packMemory,
    ...(options.libdeflate === undefined ? {} : { libdeflate: options.libdeflate }),
    logger,
  });
  const listTags = tagLister({
    list: () => packageSet.tags(stop),
    tell: (tags) => channels.forEach((channel) => channel.listTags(tags)),
    onError: ({ message }) => logger.warn({ reason: message }, "cannot list the set's tags"),
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
  for (const [at, edge] of options.edges.entries()) {
    const channel = connect({
      edge,
      destinations: destinations[at]!,
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
  listTags();
  const unwatch = announceRevisions(packageSet, channels, { logger, stop });

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
    ...(options.channelsUrl === undefined ? {} : { channels: options.channelsUrl }),
    ...(options.archiveUrl === undefined ? {} : { archive: options.archiveUrl }),
    ...(options.allowedUris === undefined ? {} : { allowedUris: options.allowedUris }),
    logger,
  });
}

/** Tells the edges what tags mean: `latest` at once, and whatever the package set reports later. */
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
  // Resolved before anybody asks, so that the first pull does not wait for it. A set that cannot be
  // resolved now (no network yet) is resolved when somebody pulls.
  packageSet.resolve("latest", stop).then(
    (revision) => announce("latest", revision),
    (error: Error) =>
      logger.warn({ reason: error.message }, "cannot tell the package set's revision yet"),
  );
  return unwatch;
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
