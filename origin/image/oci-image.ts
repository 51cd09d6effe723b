/** An image in OCI form, with its bytes in memory or in files, to be written or pushed. */
import { createReadStream } from "node:fs";
import type { Digest } from "../../edge/contract/digest.ts";
import type { Descriptor } from "../../edge/contract/records.ts";

export interface TypedDescriptor extends Descriptor {
  readonly mediaType: string;
}

/** A blob or manifest, in memory or in a file. */
export interface ImageBlob extends TypedDescriptor {
  readonly content: Uint8Array | { readonly file: string };
}

/** One platform of an image. */
export interface PlatformImage {
  /** `linux/amd64`. */
  readonly platform: string;
  readonly manifest: TypedDescriptor;
  readonly config: Descriptor;
  /** Bottom first. */
  readonly layers: readonly Descriptor[];
}

export interface OciImage {
  /** The manifest, or the index of several. */
  readonly root: TypedDescriptor;
  readonly platforms: readonly PlatformImage[];
  /** All blobs and manifests, each once; what is referred to comes first, the root last. */
  readonly blobs: readonly ImageBlob[];
}

/** The bytes of a blob, piece by piece. */
export async function* bytesOf({ content }: ImageBlob): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) yield content;
  else for await (const chunk of createReadStream(content.file)) yield chunk as Uint8Array;
}

/** Each blob once, in order. */
export const distinctBlobs = (blobs: readonly ImageBlob[]): ImageBlob[] => [
  ...new Map(blobs.map((blob) => [blob.digest, blob] as const)).values(),
];

/** The hex digits of a digest: its file's name in an OCI layout. */
export const hexOf = (digest: Digest): string => digest.slice("sha256:".length);

/** Bytes that a client with an empty store downloads. */
export const fetchedBytes = ({ config, layers }: PlatformImage): number =>
  config.size + layers.reduce((sum, { size }) => sum + size, 0);
