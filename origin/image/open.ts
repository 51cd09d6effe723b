/**
 * Opens what is needed to make images on this machine: a package set, a directory for layers, and
 * Nix.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import type { ComposedImage } from "../../edge/compose/compose.ts";
import { canonicalJson } from "../../edge/contract/keys.ts";
import type { ImageRequest } from "../../edge/contract/names.ts";
import { type PackageSetSpec, parsePackageSet } from "../../edge/contract/package-set.ts";
import { PLATFORMS, type System, SYSTEMS } from "../../edge/contract/records.ts";
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
import { nixVersion } from "../nix/version.ts";
import { type LayerPlan, makePlan, NO_PLAN_ID, parsePlan, planId } from "../plan/index.ts";
import { planStore } from "../plan/plans.ts";
import { fileText } from "../process.ts";
import { prepareStarter } from "../starter/index.ts";
import { DirectoryBucket, NO_EDGE } from "./directory-bucket.ts";
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
  /** A layer plan's file; when left out, the one that a new registry of this set has. */
  readonly planFile?: string | undefined;
  readonly zstd: boolean;
  readonly libdeflate?: string | undefined;
  readonly packMemory?: number | undefined;
  readonly channelsUrl?: string | undefined;
  readonly archiveUrl?: string | undefined;
  readonly allowedUris?: readonly string[] | undefined;
}

/** What hears how far it is. */
export interface BuilderEvents {
  /** What is being done, in a few words. */
  readonly step: (text: string) => void;
  /** One line of Nix's output. */
  readonly nixLine: (line: string) => void;
  /** Bytes of store paths that are packed, of all that are to be. */
  readonly packed: (done: number, total: number) => void;
  readonly note: (line: string) => void;
}

export interface MadeImage {
  readonly image: OciImage;
  readonly revision: string;
  readonly packageSet: string;
  readonly plan: string;
}

/** Makes images; one at a time. */
export interface Builder {
  make(
    request: ImageRequest,
    options: { readonly tag: string; readonly systems: readonly System[] | undefined },
  ): Promise<MadeImage>;
  close(): Promise<void>;
}

/** Throws an Error for a person where this machine cannot build. */
export async function openBuilder(
  options: BuilderOptions,
  events: BuilderEvents,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
): Promise<Builder> {
  const spec = await parsePackageSet(options.packageSet);
  removeLeftovers(options.stateDir);
  const nix = await readyNix(spec, events.note);
  const key = generateOriginKey();
  const privateKey = readOriginKey(key.privateKey);
  const sign = signer(privateKey);
  const codecs = new Codecs(options.libdeflate);
  const bucket = new DirectoryBucket({
    directory: options.stateDir,
    sign,
    publicKey: publicKeyOf(privateKey),
    compressor: (codec) => codecs.describe(codec),
  });
  const setsDir = join(options.stateDir, "sets");
  events.step(`reading the package set ${spec.label}`);
  const packageSet = await openPackageSet(spec, {
    stateDir: setsDir,
    // All of them, whatever is wanted: they are part of a starter set's revision.
    systems: SYSTEMS,
    nixTimeout: options.nixTimeout,
    limits: options.limits,
    ...(options.channelsUrl === undefined ? {} : { channels: options.channelsUrl }),
    ...(options.archiveUrl === undefined ? {} : { archive: options.archiveUrl }),
    ...(options.allowedUris === undefined ? {} : { allowedUris: options.allowedUris }),
    logger,
  });
  const layers = openLayers({
    storage: bucket,
    cacheDir: join(options.stateDir, "layers-cache"),
    ...(options.libdeflate === undefined ? {} : { libdeflate: options.libdeflate }),
    ...(options.packMemory === undefined ? {} : { packMemory: options.packMemory }),
    logger,
  });
  const plan = await givenPlan(options, spec, bucket, setsDir);
  const plans = planStore();
  return {
    async make(request, { tag, systems }) {
      events.step(`finding what ${tag} is`);
      const revision = await packageSet.resolve(tag, signal);
      const wanted = systems ?? defaultSystems(spec, request);
      const parts: MakeImageParts = {
        packageSet,
        bucket,
        layers: reporting(layers, events),
        plans,
        nix,
        sign,
        zstd: options.zstd,
        limits: options.limits,
        signal,
        log: events.nixLine,
      };
      const composed = new Map<System, ComposedImage>();
      const absent: PackagesFailed[] = [];
      for (const system of wanted) {
        const of = wanted.length === 1 ? "" : ` for ${platformName(system)}`;
        events.step(`building ${request.name}${of}`);
        const scope = { packageSet: packageSet.id, revision, system, plan };
        try {
          composed.set(system, await makeImage(parts, request, scope));
        } catch (error) {
          if (!(error instanceof PackagesFailed && error.absent)) throw error;
          absent.push(error);
          if (wanted.length > absent.length)
            events.note(`there is no image for ${platformName(system)}: ${error.message}`);
        }
      }
      if (composed.size === 0 && absent[0] !== undefined) throw absent[0];
      const image = joinPlatforms(composed, wanted, bucket);
      return { image, revision, packageSet: spec.label, plan };
    },
    close: () => layers.close(),
  };
}

/**
 * What a registry of this machine serves: the system that the name pins; both of the starter set,
 * whose packages need no program of theirs to be built; else this machine's.
 */
function defaultSystems({ kind }: PackageSetSpec, { pinned }: ImageRequest): readonly System[] {
  if (pinned !== undefined) return [pinned];
  if (kind === "starter") return SYSTEMS;
  return [process.arch === "arm64" ? "aarch64-linux" : "x86_64-linux"];
}

function platformName(system: System): string {
  const { os, architecture } = PLATFORMS[system];
  return `${os}/${architecture}`;
}

/**
 * Has what is missing installed, where this may be, and Nix configured as `npm start` does. Returns
 * Nix's version.
 */
async function readyNix({ kind }: PackageSetSpec, note: (line: string) => void): Promise<string> {
  const starter = kind === "starter";
  await satisfy(starter ? [...ORIGIN_NEEDS, ...STARTER_NEEDS] : ORIGIN_NEEDS, note);
  if (await needsBuildUsers(process.env)) await makeBuildUsers(note);
  const [config, nix] = await Promise.all([nixConfig(process.env, starter), nixVersion()]);
  const fault = await unsafeHere({ starter, forOthers: false, config, nix });
  if (fault !== undefined) throw new Error(fault);
  // For every Nix program that this process starts.
  process.env["NIX_CONFIG"] = config;
  return nix;
}

/** The layer plan that counts here; it is written where jobs look for it. */
async function givenPlan(
  { planFile }: BuilderOptions,
  { kind }: PackageSetSpec,
  bucket: DirectoryBucket,
  setsDir: string,
): Promise<string> {
  const plan = planFile === undefined ? await firstPlanOf(kind, setsDir) : readPlan(planFile);
  if (plan === undefined) return NO_PLAN_ID;
  await bucket.putText(canonicalJson(plan));
  return planId(plan);
}

/** The plan that a new registry puts in force: of a starter set from its whole graph, else none. */
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
    throw new Error(`${file} is no layer plan: ${(error as Error).message}`, { cause: error });
  }
}

/** The layers of a job, with words about how far they are. */
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
