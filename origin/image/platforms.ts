/**
 * Joins an image for several platforms as a registry does: a plain manifest for one platform, else
 * an index of the platforms for which the packages exist.
 */
import type { ComposedImage } from "../../edge/compose/compose.ts";
import { type ImageTexts, indexName, recordTexts } from "../../edge/compose/texts.ts";
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from "../../edge/contract/media-types.ts";
import { PLATFORMS, type System } from "../../edge/contract/records.ts";
import type { DirectoryBucket } from "./directory-bucket.ts";
import {
  distinctBlobs,
  type ImageBlob,
  type OciImage,
  type PlatformImage,
  type TypedDescriptor,
} from "./oci-image.ts";

/** `wanted`: the requested systems; `composed`: the images of those that exist. */
export function joinPlatforms(
  composed: ReadonlyMap<System, ComposedImage>,
  wanted: readonly System[],
  bucket: Pick<DirectoryBucket, "path">,
): OciImage {
  const images = Object.fromEntries([...composed].map(([system, { image }]) => [system, image]));
  const texts = recordTexts({ images });
  const systems = [...texts.images.keys()];
  const [only, ...others] = [...texts.images.values()];
  const index = texts.indexes.get(indexName(systems))?.oci;
  if (only === undefined || index === undefined) throw new TypeError("there is no image to join");
  const isPlain = wanted.length === 1 && others.length === 0 && only.zstd === undefined;
  const manifests = [...texts.images.values()].flatMap(({ config, oci, zstd }) => [
    config,
    oci,
    ...(zstd === undefined ? [] : [zstd]),
  ]);
  const blobs: ImageBlob[] = [
    ...[...composed.values()].flatMap((one) => layerBlobs(one, bucket)),
    ...[...manifests, ...(isPlain ? [] : [index])].map(({ bytes, ...blob }) => ({
      ...blob,
      content: bytes,
    })),
  ];
  return {
    root: typed(isPlain ? only.oci : index),
    platforms: [...texts.images].map(([system, one]) =>
      platformImage(system, one, composed.get(system)),
    ),
    blobs: distinctBlobs(blobs),
  };
}

/** Packed layers are files; the profile layer, the last, is in memory. */
function layerBlobs(
  { image, blobs }: ComposedImage,
  bucket: Pick<DirectoryBucket, "path">,
): ImageBlob[] {
  const inMemory = new Map(blobs.map(({ digest, bytes }) => [digest, bytes]));
  return image.layers.flatMap(({ digest, size, zstd }) => [
    {
      digest,
      size,
      mediaType: OCI_LAYER_GZIP,
      content: inMemory.get(digest) ?? { file: bucket.path(digest) },
    },
    ...(zstd === undefined
      ? []
      : [{ ...zstd, mediaType: OCI_LAYER_ZSTD, content: { file: bucket.path(zstd.digest) } }]),
  ]);
}

function platformImage(
  system: System,
  { oci, config }: ImageTexts,
  composed: ComposedImage | undefined,
): PlatformImage {
  const { os, architecture } = PLATFORMS[system];
  return {
    platform: `${os}/${architecture}`,
    manifest: typed(oci),
    config: { digest: config.digest, size: config.size },
    layers: (composed?.image.layers ?? []).map(({ digest, size }) => ({ digest, size })),
  };
}

const typed = ({ mediaType, digest, size }: TypedDescriptor): TypedDescriptor => ({
  mediaType,
  digest,
  size,
});
