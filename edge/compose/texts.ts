/**
 * The parts of an image that are text: config and manifests of each platform, and the indexes over
 * them. They are a pure function of the image's record, so none of them is stored: whoever has the
 * record can encode the same bytes again.
 *
 *   record: amd64, arm64
 *     amd64   config, manifests (OCI, docker's; OCI with zstd where layers have it)
 *     arm64   config, manifests
 *     indexes amd64 alone, arm64 alone, both: each as OCI's index and as docker's list
 */
import { createHash } from "node:crypto";
import type { Digest } from "../contract/digest.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../contract/media-types.ts";
import {
  type Descriptor,
  type ImageRecord,
  PLATFORMS,
  type System,
  type SystemImage,
  systemsOf,
} from "../contract/records.ts";
import {
  encodeDockerList,
  encodeDockerManifest,
  encodeIndex,
  encodeOciManifest,
  encodeZstdManifest,
} from "./manifest.ts";

/** A blob that the edge composed, as a client gets it: anything but a layer made by an origin. */
export interface ComposedBlob {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What the texts for one system are encoded from. */
export type ImageParts = Pick<SystemImage, "config" | "layers" | "annotations">;

export interface ImageTexts {
  readonly config: ComposedBlob;
  readonly oci: ComposedBlob;
  readonly docker: ComposedBlob;
  /** Reached only through an index. */
  readonly zstd: ComposedBlob | undefined;
}

/** An index over the images of some systems. */
export interface IndexTexts {
  readonly oci: ComposedBlob;
  readonly docker: ComposedBlob;
}

export interface RecordTexts {
  readonly images: ReadonlyMap<System, ImageTexts>;
  /** By indexName. */
  readonly indexes: ReadonlyMap<string, IndexTexts>;
}

/** The texts of an image for one system. */
export function imageTexts(image: ImageParts): ImageTexts {
  const { config: text, layers, annotations } = image;
  const config = textBlob(OCI_CONFIG, text);
  const parts = { config: descriptor(config), layers, annotations };
  const texts = {
    config,
    oci: textBlob(OCI_MANIFEST, encodeOciManifest(parts)),
    docker: textBlob(DOCKER_MANIFEST, encodeDockerManifest(parts)),
    zstd: layers.some((layer) => layer.zstd !== undefined)
      ? textBlob(OCI_MANIFEST, encodeZstdManifest(parts))
      : undefined,
  };
  described.set(image, {
    config: parts.config,
    oci: descriptor(texts.oci),
    docker: descriptor(texts.docker),
    zstd: texts.zstd && descriptor(texts.zstd),
  });
  return texts;
}

/** What an index says about the image for one system, and its config. */
export interface ImageDescriptors {
  readonly config: Descriptor;
  readonly oci: Descriptor;
  readonly docker: Descriptor;
  readonly zstd: Descriptor | undefined;
}

/**
 * The same without the texts. Encoding an image takes a millisecond, so it is done once per image.
 */
export function describeImage(image: ImageParts): ImageDescriptors {
  if (!described.has(image)) imageTexts(image);
  return described.get(image) as ImageDescriptors;
}
const described = new WeakMap<ImageParts, ImageDescriptors>();

/** The texts of all platforms of an image, and every index over them. */
export const recordTexts = (record: Pick<ImageRecord, "images">): RecordTexts => ({
  images: new Map(
    systemsOf(record).map((system) => [system, imageTexts(imageFor(record, system))]),
  ),
  indexes: recordIndexes(record),
});

/** Every index over the images of a record, by indexName: one for each system, and one for all. */
export function recordIndexes(record: Pick<ImageRecord, "images">): Map<string, IndexTexts> {
  const systems = systemsOf(record);
  const lists = [...systems.map((system) => [system]), ...(systems.length > 1 ? [systems] : [])];
  return new Map(lists.map((list) => [indexName(list), indexTexts(record, list)]));
}

const imageFor = ({ images }: Pick<ImageRecord, "images">, system: System): SystemImage =>
  images[system] as SystemImage;

/** Key of the index over these systems. */
export const indexName = (systems: readonly System[]): string => systems.join(" ");

/** The config, and the manifests that name it. */
export const manifestsOf = ({ config, oci, docker, zstd }: ImageTexts): ComposedBlob[] => [
  config,
  oci,
  docker,
  ...(zstd ? [zstd] : []),
];

function indexTexts(record: Pick<ImageRecord, "images">, systems: readonly System[]): IndexTexts {
  const platforms = systems.map((system) => ({
    platform: PLATFORMS[system],
    ...describeImage(imageFor(record, system)),
  }));
  const annotations = inCommon(systems.map((system) => imageFor(record, system).annotations));
  return {
    oci: textBlob(OCI_INDEX, encodeIndex(platforms, annotations)),
    docker: textBlob(DOCKER_MANIFEST_LIST, encodeDockerList(platforms)),
  };
}

/** The entries that all have with the same value: a version may differ between platforms. */
function inCommon(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((each) => each[name] === value)),
  );
}

/** Only the descriptor's own fields. */
export const descriptor = ({ digest, size }: Descriptor): Descriptor => ({ digest, size });

function textBlob(mediaType: string, text: string): ComposedBlob {
  const bytes = new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, bytes };
}
