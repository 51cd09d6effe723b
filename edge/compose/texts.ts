/**
 * Everything of an image that is text: the config and the manifests of each platform, and the
 * indexes over them. A pure function of the image's record, so none of it has to be stored: whoever
 * has the record encodes the same bytes again.
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

/** Something of an image that is no layer of an origin, as a client gets it. */
export interface ComposedBlob {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What an image's texts for one system are made of. */
export type ImageParts = Pick<SystemImage, "config" | "layers" | "annotations">;

export interface ImageTexts {
  readonly config: ComposedBlob;
  readonly oci: ComposedBlob;
  readonly docker: ComposedBlob;
  /** Found through an index alone. */
  readonly zstd: ComposedBlob | undefined;
}

/** An index over the images for some systems. */
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
export function imageTexts({ config: text, layers, annotations }: ImageParts): ImageTexts {
  const config = textBlob(OCI_CONFIG, text);
  const parts = { config: descriptor(config), layers, annotations };
  return {
    config,
    oci: textBlob(OCI_MANIFEST, encodeOciManifest(parts)),
    docker: textBlob(DOCKER_MANIFEST, encodeDockerManifest(parts)),
    zstd: layers.some((layer) => layer.zstd !== undefined)
      ? textBlob(OCI_MANIFEST, encodeZstdManifest(parts))
      : undefined,
  };
}

/** The texts of all platforms of an image, and every index over them. */
export function recordTexts(record: Pick<ImageRecord, "images">): RecordTexts {
  const systems = systemsOf(record);
  const images = new Map(
    systems.map((system) => [system, imageTexts(record.images[system] as SystemImage)]),
  );
  const lists = [...systems.map((system) => [system]), ...(systems.length > 1 ? [systems] : [])];
  return {
    images,
    indexes: new Map(lists.map((list) => [indexName(list), indexTexts(record, images, list)])),
  };
}

/** Which of a record's indexes. */
export const indexName = (systems: readonly System[]): string => systems.join(" ");

/** Every text, the indexes last. */
export const textsOf = ({ images, indexes }: RecordTexts): ComposedBlob[] => [
  ...[...images.values()].flatMap(manifestsOf),
  ...[...indexes.values()].flatMap(({ oci, docker }) => [oci, docker]),
];

/** The config and the manifests over it. */
export const manifestsOf = ({ config, oci, docker, zstd }: ImageTexts): ComposedBlob[] => [
  config,
  oci,
  docker,
  ...(zstd ? [zstd] : []),
];

function indexTexts(
  { images }: Pick<ImageRecord, "images">,
  texts: ReadonlyMap<System, ImageTexts>,
  systems: readonly System[],
): IndexTexts {
  const platforms = systems.map((system) => {
    const { oci, docker, zstd } = texts.get(system) as ImageTexts;
    return {
      platform: PLATFORMS[system],
      oci: descriptor(oci),
      docker: descriptor(docker),
      zstd: zstd && descriptor(zstd),
    };
  });
  const annotations = inCommon(systems.map((system) => images[system]?.annotations ?? {}));
  return {
    oci: textBlob(OCI_INDEX, encodeIndex(platforms, annotations)),
    docker: textBlob(DOCKER_MANIFEST_LIST, encodeDockerList(platforms)),
  };
}

/** What all say: a version may differ from one platform to the other. */
function inCommon(all: readonly Readonly<Record<string, string>>[]): Record<string, string> {
  const [first = {}, ...others] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((each) => each[name] === value)),
  );
}

export const descriptor = ({ digest, size }: Descriptor): Descriptor => ({ digest, size });

function textBlob(mediaType: string, text: string): ComposedBlob {
  const bytes = new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, bytes };
}
