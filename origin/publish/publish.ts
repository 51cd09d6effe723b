/**
 * Publishes packages: builds them, cuts their closures by the layer plan, makes the layers, and
 * states what each package consists of. All blobs of a result are in the bucket before it is
 * returned. The same job run twice, or on two origins at once, stores the same blobs.
 */
import type { Metadata } from "../../edge/contract/closure.ts";
import { storeName } from "../../edge/contract/store-path.ts";
import type { Scope } from "../../edge/contract/keys.ts";
import type { Failure, PackageItem, Result } from "../../edge/contract/items.ts";
import {
  type Descriptor,
  type PackageStatement,
  RECORD_FORMAT,
  type SignedLayer,
} from "../../edge/contract/records.ts";
import { type LayerPart, type MadeLayer, UnfitError } from "../layers/index.ts";
import type { Cut } from "../plan/index.ts";
import { build } from "./build.ts";
import { hasUtf8, publishClosure } from "./closure.ts";
import { MAX_MESSAGE, type PublishContext } from "./context.ts";
import { cut, type CutPackage } from "./cut.ts";

/** What was made of the packages; an UnfitError for what cannot be made. */
interface Made {
  /** By layer key. */
  readonly layers: ReadonlyMap<string, MadeLayer | UnfitError>;
  /** By package name. */
  readonly listings: ReadonlyMap<string, Descriptor | UnfitError>;
  /** By package name. */
  readonly closures: ReadonlyMap<string, Descriptor | UnfitError>;
}

/**
 * Publishes the packages of one scope; returns one result for each item, in order. A package that
 * cannot be built or packed is a failure of its item alone. Throws when this affects all packages
 * (a full disk, a bucket that does not answer).
 */
export async function publish(
  scope: Scope,
  items: readonly PackageItem[],
  context: PublishContext,
): Promise<Result[]> {
  const plan = context.plans.load(scope.plan, (digest) => context.layers.plan(digest));
  const [{ built, base, failures }] = await Promise.all([build(scope, items, context), plan]);
  const { packages, tooLarge } = await cut(built, base, await plan, context);
  if (packages.size > 0) context.log("packing layers");
  const made = await make(scope, items, packages, context);
  const unsaid = new Set(made.layers.keys());
  return items.map((item): Result => {
    const pkg = packages.get(item.name);
    const failure =
      failures.get(item.name) ?? tooLarge.get(item.name) ?? packingFailure(item, pkg, made);
    if (failure !== undefined || pkg === undefined)
      return {
        kind: "failure",
        failure: failure ?? {
          reason: "error",
          message: `the build gave no answer for ${item.name}`,
        },
      };
    const layers = stated(partsOf(item, pkg), made, unsaid).map((statement) => ({
      statement,
      signature: context.sign("layer", statement),
    }));
    if (item.level !== undefined) return { kind: "level", level: item.level, layers };
    const statement = describe(scope, item, pkg, made);
    return { kind: "package", statement, signature: context.sign("package", statement), layers };
  });
}

/** This origin's statements about the layers of these parts, each once in a job. */
function stated(
  parts: Cut["parts"],
  { layers }: Made,
  unsaid: Set<string>,
): SignedLayer["statement"][] {
  return parts.flatMap(({ key }) =>
    unsaid.delete(key) ? found(layers.get(key), `layer ${key}`).statements : [],
  );
}

/** Makes the layers, listings and closures of all items, each once. */
async function make(
  scope: Scope,
  items: readonly PackageItem[],
  packages: ReadonlyMap<string, CutPackage>,
  context: PublishContext,
): Promise<Made> {
  const { layers, signal, zstd, nix } = context;
  const parts = new Map<string, LayerPart>();
  for (const item of items)
    for (const part of partsOf(item, packages.get(item.name))) parts.set(part.key, part);
  const each = async <T>(work: (pkg: CutPackage) => Promise<T>) =>
    new Map(
      await Promise.all(
        [...packages].map(async ([name, pkg]) => [name, await orUnfit(work(pkg))] as const),
      ),
    );
  const metadata = dependenciesMetadata(scope, packages, context);
  const [made, listings, closures] = await Promise.all([
    layers.make([...parts.values()], { signal, zstd }),
    each(({ built, narHash }) => layers.listing(built.storePath, { narHash, signal })),
    each(async (pkg) => publishClosure(pkg, { nix, metadata: await metadata, layers })),
  ]);
  return { layers: made, listings, closures };
}

/** Metadata of all dependencies, found while layers are packed; none when that fails. */
async function dependenciesMetadata(
  { revision, system }: Scope,
  packages: ReadonlyMap<string, CutPackage>,
  { metadata, signal, log }: PublishContext,
): Promise<ReadonlyMap<string, Metadata>> {
  const names = [...packages.values()].flatMap(({ closure }) => [...closure.keys()].map(storeName));
  if (metadata === undefined || names.length === 0) return new Map();
  try {
    return await metadata({ revision, system }, names, signal);
  } catch (error) {
    signal.throwIfAborted();
    log(`the licences of dependencies are not known: ${(error as Error).message}`);
    return new Map();
  }
}

/** Why a package that was built cannot be published, which another attempt would not change. */
function packingFailure(
  item: PackageItem,
  pkg: CutPackage | undefined,
  { layers, listings, closures }: Made,
): Failure | undefined {
  const needed = [
    ...partsOf(item, pkg).map((part) => layers.get(part.key)),
    listings.get(item.name),
    closures.get(item.name),
  ];
  const unfit = needed.find((made) => made instanceof UnfitError);
  if (unfit === undefined) return undefined;
  return { reason: "unfit", message: unfit.message.slice(0, MAX_MESSAGE) };
}

/** This origin's statement about a package. */
function describe(
  { packageSet, revision, system, plan }: Scope,
  item: PackageItem,
  { built, closure, cut }: CutPackage,
  { listings, closures }: Made,
): PackageStatement {
  const { attribute, pname, version, description, mainProgram, warning, storePath } = built;
  const utf8 = hasUtf8(closure.keys());
  return {
    format: RECORD_FORMAT,
    packageSet,
    revision,
    system,
    plan,
    name: item.name,
    attribute,
    pname,
    version,
    ...(description === undefined ? {} : { description }),
    ...(mainProgram === undefined ? {} : { mainProgram }),
    ...(warning === undefined ? {} : { warning }),
    storePath,
    closureSize: [...closure.values()].reduce((total, info) => total + info.narSize, 0),
    listing: found(listings.get(item.name), `the listing of ${item.name}`),
    closure: found(closures.get(item.name), `the closure of ${item.name}`),
    ...(utf8 === undefined ? {} : { utf8 }),
    parts: cut.parts.map(({ key, rank, size, bare }) => ({
      key,
      rank,
      ...(bare && { small: size }),
    })),
    levels: cut.levels,
    level: cut.level,
  };
}

const levelOf = (item: PackageItem, cut: Cut): number => item.level ?? cut.level;

/** The parts of the item's level; none when the package was not built. */
function partsOf(item: PackageItem, pkg: CutPackage | undefined): Cut["parts"] {
  if (pkg === undefined) return [];
  const { cut } = pkg;
  const level = levelOf(item, cut);
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

function found<T>(made: T | UnfitError | undefined, what: string): T {
  if (made === undefined || made instanceof UnfitError) throw new Error(`${what} was not made`);
  return made;
}

const orUnfit = <T>(work: Promise<T>): Promise<T | UnfitError> =>
  work.catch((error: unknown) => {
    if (error instanceof UnfitError) return error;
    throw error;
  });
