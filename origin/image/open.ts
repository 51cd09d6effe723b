/**
 * Makes images on this machine (make-image.ts), for which it opens a package set, Nix, and a
 * directory for layers.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { ComposedImage } from "../../edge/compose/compose.ts";
import type { Scope } from "../../edge/contract/keys.ts";
import type { ImageRequest } from "../../edge/contract/names.ts";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import { platformName, type System, SYSTEMS } from "../../edge/contract/records.ts";
import { publicKeyOf, readOriginKey, generateOriginKey } from "../channel/key.ts";
import { signer } from "../channel/sign.ts";
import { removeLeftovers } from "../disk/temporary.ts";
import { Codecs } from "../layers/codecs.ts";
import { type Layers, openLayers } from "../layers/index.ts";
import { makeBuildUsers } from "../local/build-users.ts";
import { ORIGIN_NEEDS, satisfy, STARTER_NEEDS } from "../local/needs.ts";
import { needsBuildUsers, nixConfig, unsafeHere } from "../local/nix-config.ts";
import type { NixLimits } from "../nix/limits.ts";
import { openPackageSet } from "../nix/package-set.ts";
import type { PackageSet } from "../nix/types.ts";
import { nixVersion } from "../nix/version.ts";
import { planStore } from "../plan/plans.ts";
import { DirectoryBucket, NO_EDGE } from "./directory-bucket.ts";
import { putPlan } from "./layer-plan.ts";
import { makeImage, type MakeImageParts, PackagesFailed } from "./make-image.ts";
import type { OciImage } from "./oci-image.ts";
import { joinPlatforms } from "./platforms.ts";

export interface BuilderOptions {
  readonly packageSet: string;
  /** Layers, clones and roots; may be deleted. */
  readonly stateDir: string;
  /** Longest evaluation and nix-build, seconds. */
  readonly nixTimeout: number;
  readonly limits: Partial<NixLimits>;
  /** A layer plan's file; default: the plan that a new registry of this package set has. */
  readonly planFile?: string | undefined;
  readonly zstd: boolean;
  readonly libdeflate?: string | undefined;
  readonly packMemory?: number | undefined;
  readonly channelsUrl?: string | undefined;
  readonly archiveUrl?: string | undefined;
  readonly allowedUris?: readonly string[] | undefined;
}

/** Called as the work goes on. */
export interface BuilderEvents {
  /** What begins now, in a few words. */
  readonly step: (text: string) => void;
  /** One line of Nix's output. */
  readonly nixLine: (line: string) => void;
  /** Bytes of store paths that are packed, and that are to be packed in all. */
  readonly packed: (done: number, total: number) => void;
  /** A line for the user. */
  readonly note: (line: string) => void;
}

export interface MadeImage {
  readonly image: OciImage;
  readonly revision: string;
  readonly packageSet: string;
  readonly plan: string;
}

export interface Builder {
  /**
   * Makes an image; one at a time. `systems`: default, as a registry on this machine. Throws
   * PackagesFailed when packages cannot be had, a FailureError when the tag cannot be resolved.
   */
  make(
    request: ImageRequest,
    options: { readonly tag: string; readonly systems: readonly System[] | undefined },
  ): Promise<MadeImage>;
  close(): Promise<void>;
}

/**
 * Opens a builder. `signal` ends its work. Throws an Error for a person where this machine cannot
 * build.
 */
export async function openBuilder(
  options: BuilderOptions,
  events: BuilderEvents,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<Builder> {
  const spec = await parsePackageSet(options.packageSet);
  removeLeftovers(options.stateDir);
  const nix = await prepareNix(spec, events.note);
  const { bucket, sign } = openDirectory(options);
  const setsDir = join(options.stateDir, "sets");
  events.step(`reading the package set ${spec.label}`);
  const packageSet = await openSet(spec, setsDir, options, logger);
  const layers = openLayers({
    storage: bucket,
    cacheDir: join(options.stateDir, "layers-cache"),
    libdeflate: options.libdeflate,
    packMemory: options.packMemory,
    logger,
  });
  const plan = await putPlan(options.planFile, spec, bucket, setsDir);
  const parts = {
    packageSet,
    bucket,
    plans: planStore(),
    nix,
    sign,
    zstd: options.zstd,
    limits: options.limits,
    signal,
    log: events.nixLine,
  };
  return {
    async make(request, { tag, systems }) {
      events.step(`finding what ${tag} is`);
      const revision = await packageSet.resolve(tag, signal);
      const wanted = systems ?? defaultSystems(spec, request);
      const scope = { packageSet: packageSet.id, revision, plan };
      const making = { ...parts, layers: reporting(layers, events) };
      const composed = await makeForSystems(making, request, { scope, wanted, events });
      const image = joinPlatforms(composed, wanted, bucket);
      return { image, revision, packageSet: spec.label, plan };
    },
    close: () => layers.close(),
  };
}

/** The directory in place of a bucket, with a key of its own for this run. */
function openDirectory({ stateDir, libdeflate }: BuilderOptions) {
  const privateKey = readOriginKey(generateOriginKey().privateKey);
  const sign = signer(privateKey);
  const codecs = new Codecs(libdeflate);
  const bucket = new DirectoryBucket({
    directory: stateDir,
    sign,
    publicKey: publicKeyOf(privateKey),
    compressor: (codec) => codecs.describe(codec),
  });
  return { bucket, sign };
}

function openSet(
  spec: PackageSetSpec,
  stateDir: string,
  { nixTimeout, limits, channelsUrl, archiveUrl, allowedUris }: BuilderOptions,
  logger: Logger,
): Promise<PackageSet> {
  return openPackageSet(spec, {
    stateDir,
    // All of them, whatever is wanted: they are part of a starter set's revision.
    systems: SYSTEMS,
    nixTimeout,
    limits,
    channels: channelsUrl,
    archive: archiveUrl,
    allowedUris,
    logger,
  });
}

interface Making {
  readonly scope: Omit<Scope, "system">;
  readonly wanted: readonly System[];
  readonly events: BuilderEvents;
}

/**
 * The image for each of the wanted systems that its packages exist for. Throws PackagesFailed when
 * they exist for none, and when a build fails.
 */
async function makeForSystems(
  parts: MakeImageParts,
  request: ImageRequest,
  { scope, wanted, events }: Making,
): Promise<ReadonlyMap<System, ComposedImage>> {
  const composed = new Map<System, ComposedImage>();
  const absent: PackagesFailed[] = [];
  for (const system of wanted) {
    const platform = platformName(system);
    events.step(`building ${request.name}${wanted.length === 1 ? "" : ` for ${platform}`}`);
    try {
      composed.set(system, await makeImage(parts, request, { ...scope, system }));
    } catch (error) {
      if (!(error instanceof PackagesFailed && error.absent)) throw error;
      absent.push(error);
      if (wanted.length > absent.length)
        events.note(`there is no image for ${platform}: ${error.message}`);
    }
  }
  if (composed.size === 0 && absent[0] !== undefined) throw absent[0];
  return composed;
}

/**
 * The systems that a registry on this machine serves: the one that the name pins; both for the
 * starter set, whose builds run none of its programs; else this machine's.
 */
function defaultSystems({ kind }: PackageSetSpec, { pinned }: ImageRequest): readonly System[] {
  if (pinned !== undefined) return [pinned];
  if (kind === "starter") return SYSTEMS;
  return [process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux"];
}

/**
 * Installs missing programs where it may, and configures Nix as `npm start` does. Returns Nix's
 * version. Throws an Error for a person where Nix must not build.
 */
async function prepareNix({ kind }: PackageSetSpec, note: (line: string) => void): Promise<string> {
  const starter = kind === "starter";
  await satisfy(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS, note);
  if (await needsBuildUsers(process.env)) await makeBuildUsers(note);
  const [config, nix] = await Promise.all([nixConfig(process.env, starter), nixVersion()]);
  const fault = await unsafeHere({ starter, forOthers: false, config, nix });
  if (fault !== undefined) throw new Error(fault);
  // For all Nix programs that this process starts.
  process.env["NIX_CONFIG"] = config;
  return nix;
}

/** The layers of a job; `events` is told of their progress. */
function reporting(layers: Layers, { step, packed }: BuilderEvents) {
  const store = layers.of(NO_EDGE);
  return {
    ...store,
    make: (parts, options) => {
      const sizes = parts.map(({ paths }) => paths.reduce((sum, { narSize }) => sum + narSize, 0));
      const total = sizes.reduce((sum, size) => sum + size, 0);
      let done = 0;
      step(`packing ${parts.length} layer${parts.length === 1 ? "" : "s"}`);
      return store.make(parts, {
        ...options,
        onMade: (part) => {
          done += sizes[parts.indexOf(part)] ?? 0;
          packed(done, total);
        },
      });
    },
  } satisfies typeof store;
}
