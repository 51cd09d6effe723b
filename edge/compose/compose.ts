/**
 * Package records and made layers in, everything of an image out: the union of the packages'
 * layers, the profile layer on top, a config, the manifests. Pure, but for `read`, which fetches
 * parts of listing blobs. The edge runs it for every new combination, the origin's command line
 * with the same result.
 */
import { encodeConfig, describe } from "./config.ts";
import { type Digest, digestOf } from "../contract/digest.ts";
import type { Scope } from "../contract/keys.ts";
import { orderParts } from "../contract/levels.ts";
import type { ReadRange } from "../contract/listing-reader.ts";
import {
  encodeDockerManifest,
  encodeIndex,
  encodeOciManifest,
  encodeZstdManifest,
} from "./manifest.ts";
import {
  DOCKER_MANIFEST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER_GZIP,
  OCI_MANIFEST,
} from "../contract/media-types.ts";
import { type ImageRequest, InvalidName } from "../contract/names.ts";
import { mergeProfile } from "./profile.ts";
import { packProfile } from "./profile-layer.ts";
import {
  type Descriptor,
  type ImageRecord,
  InvalidRecord,
  type Layer,
  type LevelRecord,
  MAX_LAYERS,
  type PackageRecord,
  PLATFORMS,
  RECORD_FORMAT,
} from "../contract/records.ts";

/** One package of an image, at the level that chooseLevels took. */
export interface ComposePackage {
  readonly record: PackageRecord;
  /**
   * The made layers of the chosen level; left out when that is the record's own (`record.level`).
   */
  readonly made?: LevelRecord;
}

export interface ComposeInput {
  readonly scope: Scope;
  readonly request: ImageRequest;
  /** One for each of `request.names`, in any order. */
  readonly packages: readonly ComposePackage[];
}

/** Something composed that goes into the bucket at blobPath(digest). */
export interface ComposedBlob {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface ComposedImage {
  /** To be written last, at imagePath(key). */
  readonly record: ImageRecord;
  /**
   * To be written first: profile layer, config, manifests; what is named stands before what names
   * it.
   */
  readonly blobs: readonly ComposedBlob[];
  /** The manifests among `blobs` that `record.manifests` offers, by media type. */
  readonly manifests: Readonly<Record<string, ComposedBlob>>;
  /**
   * The layers that the manifests name and that origins have uploaded: each must be in the bucket
   * before anything is written.
   */
  readonly layers: readonly Descriptor[];
}

/**
 * Composes an image. The same packages at the same levels give the same bytes, whatever the order
 * of `packages`. Throws an InvalidRecord when a record, a level or a listing contradicts itself or
 * the request, an InvalidName when the packages need more than MAX_LAYERS layers or overlap in too
 * many files. What `read` throws passes through.
 */
export async function compose(
  { scope, request, packages }: ComposeInput,
  read: ReadRange,
): Promise<ComposedImage> {
  const sorted = [...packages].sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
  checkPackages(scope, request, sorted);
  const records = sorted.map(({ record }) => record);
  const levels = sorted.map(({ record, made }) => (made ?? record).level);
  const parts = orderParts(records, levels);
  if (parts.length + 1 > MAX_LAYERS) {
    throw new InvalidName(
      `these packages need ${parts.length + 1} layers in one image; the most is ${MAX_LAYERS}: ask for fewer of them`,
      { rule: "layers", layers: parts.length + 1, limit: MAX_LAYERS },
    );
  }

  const made = new Map<string, Layer>();
  for (const { record, made: level } of sorted)
    for (const layer of (level ?? record).layers)
      if (!made.has(layer.key)) made.set(layer.key, layer);
  const users = usersOf(records, levels);
  const layers = parts.map(({ key }) => {
    const layer = made.get(key);
    if (layer === undefined)
      throw new InvalidRecord(
        `layer ${key} of ${(users.get(key) ?? []).join(", ")} has not been made`,
        {
          layer: key,
        },
      );
    return layer;
  });

  const profile = await packProfile(await mergeProfile(records, read));
  const profileBlob: ComposedBlob = {
    mediaType: OCI_LAYER_GZIP,
    digest: profile.digest,
    size: profile.bytes.length,
    bytes: profile.bytes,
  };
  const configLayers = [
    ...layers.map(({ key, diffId }) => ({ diffId, users: users.get(key) ?? [] })),
    { diffId: profile.diffId, users: [] },
  ];
  const config = await blob(OCI_CONFIG, encodeConfig(scope, records, request.shell, configLayers));

  const annotations = describe(scope, records, request.shell);
  const manifestParts = {
    config: descriptor(config),
    layers: [...layers, descriptor(profileBlob)],
    annotations,
  };
  const oci = await blob(OCI_MANIFEST, encodeOciManifest(manifestParts));
  const docker = await blob(DOCKER_MANIFEST, encodeDockerManifest(manifestParts));
  const manifests: Record<string, ComposedBlob> = {
    [OCI_MANIFEST]: oci,
    [DOCKER_MANIFEST]: docker,
  };
  const blobs = [profileBlob, config, oci, docker];
  if (layers.some(({ zstd }) => zstd !== undefined)) {
    const zstd = await blob(OCI_MANIFEST, encodeZstdManifest(manifestParts));
    const index = await blob(
      OCI_INDEX,
      encodeIndex(PLATFORMS[scope.system], descriptor(oci), descriptor(zstd), annotations),
    );
    manifests[OCI_INDEX] = index;
    blobs.push(zstd, index);
  }
  const { packageSet, revision, system, plan } = scope;
  const record: ImageRecord = {
    format: RECORD_FORMAT,
    packageSet,
    revision,
    system,
    plan,
    manifests: Object.fromEntries(
      Object.entries(manifests).map(([mediaType, manifest]) => [mediaType, descriptor(manifest)]),
    ),
    levels: Object.fromEntries(records.map(({ name }, index) => [name, levels[index] ?? 0])),
  };
  return {
    record,
    blobs,
    manifests,
    layers: layers.flatMap((layer) =>
      layer.zstd ? [descriptor(layer), layer.zstd] : [descriptor(layer)],
    ),
  };
}

/**
 * A record of another system or revision would mix architectures in one image; better no image at
 * all.
 */
function checkPackages(
  scope: Scope,
  request: ImageRequest,
  sorted: readonly ComposePackage[],
): void {
  const names = sorted.map(({ record }) => record.name);
  if (
    names.length !== request.names.length ||
    names.some((name, index) => name !== request.names[index])
  ) {
    throw new InvalidRecord(
      `the image is of ${request.names.join(", ")}, but the records are of ${names.join(", ")}`,
    );
  }
  for (const { record, made } of sorted) {
    for (const field of ["packageSet", "revision", "system", "plan"] as const) {
      if (record[field] !== scope[field])
        throw new InvalidRecord(
          `the record of package "${record.name}" is for ${field} ${record[field]}, not ${scope[field]}`,
          { package: record.name },
        );
    }
    const level = (made ?? record).level;
    if (!record.levels[level]?.length)
      throw new InvalidRecord(`package "${record.name}" has no level ${level}`, {
        package: record.name,
      });
  }
}

/** Names of the packages that each layer belongs to, by layer key. */
function usersOf(
  records: readonly PackageRecord[],
  levels: readonly number[],
): Map<string, string[]> {
  const users = new Map<string, string[]>();
  records.forEach(({ name, parts, levels: all }, index) => {
    for (const number of all[levels[index] ?? 0] ?? []) {
      const key = parts[number]?.key;
      if (key === undefined)
        throw new InvalidRecord(
          `the record of package "${name}" lists part ${number}, which it does not have`,
          { package: name },
        );
      users.set(key, [...(users.get(key) ?? []), name]);
    }
  });
  return users;
}

const descriptor = ({ digest, size }: Descriptor): Descriptor => ({ digest, size });

async function blob(mediaType: string, text: string): Promise<ComposedBlob> {
  const bytes = new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
  return { mediaType, digest: await digestOf(bytes), size: bytes.length, bytes };
}
