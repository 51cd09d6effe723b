/**
 * Everything of an image that is text: its config, and the manifests over it and the layers. A pure
 * function of a few fields of the image's record, so none of it has to be stored: whoever has the
 * record encodes the same bytes again.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../contract/digest.ts";
import { DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST } from "../contract/media-types.ts";
import { type Descriptor, type ImageRecord, PLATFORMS } from "../contract/records.ts";
import {
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

/** The fields of an image's record that its texts are made of. */
export type ImageParts = Pick<ImageRecord, "system" | "config" | "layers" | "annotations">;

export interface ImageTexts {
  readonly config: ComposedBlob;
  /** The index last. */
  readonly manifests: readonly ComposedBlob[];
  /** Those of the manifests that clients may ask for by tag: `manifests` of the image's record. */
  readonly offered: Readonly<Record<string, Descriptor>>;
}

export function imageTexts({ system, config: text, layers, annotations }: ImageParts): ImageTexts {
  const config = textBlob(OCI_CONFIG, text);
  const parts = { config: descriptor(config), layers, annotations };
  const oci = textBlob(OCI_MANIFEST, encodeOciManifest(parts));
  const docker = textBlob(DOCKER_MANIFEST, encodeDockerManifest(parts));
  if (layers.every((layer) => layer.zstd === undefined))
    return { config, manifests: [oci, docker], offered: offer([oci, docker]) };
  // Found through the index alone.
  const zstd = textBlob(OCI_MANIFEST, encodeZstdManifest(parts));
  const index = textBlob(
    OCI_INDEX,
    encodeIndex(PLATFORMS[system], descriptor(oci), descriptor(zstd), annotations),
  );
  return { config, manifests: [oci, docker, zstd, index], offered: offer([oci, docker, index]) };
}

const offer = (manifests: readonly ComposedBlob[]): Record<string, Descriptor> =>
  Object.fromEntries(manifests.map((blob) => [blob.mediaType, descriptor(blob)]));

export const descriptor = ({ digest, size }: Descriptor): Descriptor => ({ digest, size });

function textBlob(mediaType: string, text: string): ComposedBlob {
  const bytes = new TextEncoder().encode(text) as Uint8Array<ArrayBuffer>;
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, bytes };
}
