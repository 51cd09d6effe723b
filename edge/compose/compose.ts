/**
 * Turns package records and made layers into an image for one system: the union of the packages'
 * layers, the profile layer on top, a config and the manifests. Pure, but for `read`, which fetches
 * parts of listing blobs. The edge runs it for every new combination of packages; the origin's
 * command line runs it with the same result.
 */
import { encodeConfig, describe } from "./config.ts";
import type { Scope } from "../contract/keys.ts";
import { ImageBudget } from "../contract/image-budget.ts";
import { imageParts } from "../contract/levels.ts";
import type { ReadRange } from "../contract/listing-reader.ts";
import { OCI_LAYER_GZIP } from "../contract/media-types.ts";
import { type ImageRequest, InvalidName } from "../contract/names.ts";
import { mergeProfile } from "./profile.ts";
import { packProfile } from "./profile-layer.ts";
import { type Inflate, inflateTree, readTrees } from "./small-parts.ts";
import { type ComposedBlob, descriptor, imageTexts, manifestsOf } from "./texts.ts";
import {
  InvalidRecord,
  type Layer,
  type LevelRecord,
  MAX_LAYERS,
  type Part,
  type PackageRecord,
  type SystemImage,
} from "../contract/records.ts";

export type { ComposedBlob } from "./texts.ts";

/** One package of an image, at the level that chooseLevels selected. */
export interface ComposePackage {
  readonly record: PackageRecord;
  /** The made layers of that level; absent when it is the record's own (`record.level`). */
  readonly made?: LevelRecord;
}

export interface ComposeInput {
  readonly scope: Scope;
  readonly request: ImageRequest;
  /** One for each of `request.names`, in any order. */
  readonly packages: readonly ComposePackage[];
}

/** An image for one system. */
export interface ComposedImage {
  /** Everything that has to be stored of the image: the rest can be made again from it. */
  readonly image: SystemImage;
  /** All origins that its packages rest on, sorted. */
  readonly origins: readonly string[];
  /** Profile layer, config and manifests, each after what it names. */
  readonly blobs: readonly ComposedBlob[];
}

/**
 * Composes an image. The same packages at the same levels give the same bytes, whatever the order
 * of `packages`. Throws an InvalidRecord when a record, level or listing contradicts itself or the
 * request, and an InvalidName when the packages need more than MAX_LAYERS layers or overlap in too
 * many files. Errors of `read` pass through. `inflate`: see packProfile.
 */
export async function compose(
  { scope, request, packages }: ComposeInput,
  read: ReadRange,
  inflate: Inflate = inflateTree,
): Promise<ComposedImage> {
  const chosen = packages
    .map(({ record, made }) => ({
      record,
      origins: [...record.origins, ...(made?.origins ?? [])],
      ...pickLevel(made ?? record),
    }))
    .sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  checkPackages(scope, request, chosen);
  const records = chosen.map(({ record }) => record);
  const { layers, small } = unionOf(chosen);

  // Both read the bucket, so they run side by side.
  const budget = new ImageBudget(small.reduce((sum, { size }) => sum + size, 0));
  const [entries, trees] = await Promise.all([
    mergeProfile(records, read, budget),
    readTrees(small, read),
  ]);
  const profile = await packProfile(entries, trees, inflate);
  const { bytes, digest } = profile;
  const profileLayer = { mediaType: OCI_LAYER_GZIP, digest, size: bytes.length, bytes };
  const warnings = records.flatMap(({ warning }) => warning ?? []);
  const image = {
    levels: levelsOf(chosen),
    config: encodeConfig(scope, records, request.shell, [
      ...layers,
      { diffId: profile.diffId, users: [] },
    ]),
    layers: [...layers.map(manifestLayer), descriptor(profileLayer)],
    annotations: describe(scope, records, request.shell),
    ...(warnings.length > 0 && { warnings }),
  };
  return {
    image,
    origins: [...new Set(chosen.flatMap(({ origins }) => origins))].sort(),
    blobs: [profileLayer, ...manifestsOf(imageTexts(image))],
  };
}

const manifestLayer = ({ digest, size, zstd }: Layer): SystemImage["layers"][number] =>
  zstd === undefined ? { digest, size } : { digest, size, zstd };

/** A package at its selected level. */
interface ChosenPackage {
  readonly record: PackageRecord;
  /** Origins of the package's record and, if it has one, of the level's. */
  readonly origins: readonly string[];
  readonly level: number;
  /** The made layers of that level. */
  readonly layers: readonly Layer[];
}

const pickLevel = ({ level, layers }: PackageRecord | LevelRecord) => ({ level, layers });

/**
 * A record of another system or revision would mix architectures in one image, so it is refused.
 */
function checkPackages(
  scope: Scope,
  request: ImageRequest,
  chosen: readonly ChosenPackage[],
): void {
  const names = chosen.map(({ record }) => record.name);
  if (names.join("/") !== request.names.join("/"))
    throw new InvalidRecord(
      `the image has packages ${request.names.join(", ")}, but the records are of ${names.join(", ")}`,
    );
  for (const { record, level } of chosen) {
    for (const field of ["packageSet", "revision", "system", "plan"] as const) {
      if (record[field] !== scope[field])
        throw new InvalidRecord(
          `the record of package "${record.name}" is for ${field} ${record[field]}, ` +
            `not ${scope[field]}`,
          { package: record.name },
        );
    }
    if (!record.levels[level]?.length)
      throw new InvalidRecord(`package "${record.name}" has no level ${level}`, {
        package: record.name,
      });
  }
}

/** A layer of the image, and the names of the packages that contain it. */
type UsedLayer = Layer & { readonly users: readonly string[] };

/** The union of the packages' layers, bottom first, and of their small parts. */
function unionOf(chosen: readonly ChosenPackage[]): {
  readonly layers: UsedLayer[];
  readonly small: UsedLayer[];
} {
  const parts = imageParts(
    chosen.map(({ record }) => record),
    chosen.map(({ level }) => level),
  );
  const count = parts.layers.length + 1;
  if (count > MAX_LAYERS)
    throw new InvalidName(
      `these packages need ${count} layers in one image; the most is ${MAX_LAYERS}: ` +
        `ask for fewer of them`,
      { rule: "layers", layers: count, limit: MAX_LAYERS },
    );
  const users = usersOf(chosen);
  const made = new Map<string, Layer>();
  for (const layer of chosen.flatMap(({ layers }) => layers))
    if (!made.has(layer.key)) made.set(layer.key, layer);
  const madeOf = ({ key }: Part): UsedLayer => {
    const names = users.get(key) ?? [];
    const layer = made.get(key);
    if (layer === undefined)
      throw new InvalidRecord(`layer ${key} of ${names.join(", ")} has not been made`, {
        layer: key,
      });
    return { ...layer, users: names };
  };
  return { layers: parts.layers.map(madeOf), small: parts.small.map(madeOf) };
}

/** Names of the packages that contain each layer, by layer key. */
function usersOf(chosen: readonly ChosenPackage[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { record, level } of chosen) {
    const { name, parts, levels } = record;
    for (const number of levels[level] ?? []) {
      const key = parts[number]?.key;
      if (key === undefined)
        throw new InvalidRecord(
          `the record of package "${name}" lists part ${number}, which it does not have`,
          { package: name },
        );
      users.set(key, [...(users.get(key) ?? []), name]);
    }
  }
  return users;
}

const levelsOf = (chosen: readonly ChosenPackage[]): Record<string, number> =>
  Object.fromEntries(chosen.map(({ record, level }) => [record.name, level]));
