/** Package records and made layers in, everything of an image out. */
import type { Digest } from "./digest.ts";
import type { Scope } from "./keys.ts";
import type { ReadRange } from "./listing-reader.ts";
import type { ImageRequest } from "./names.ts";
import type { Descriptor, ImageRecord, LevelRecord, PackageRecord } from "./records.ts";

/** One package of an image, at the level that chooseLevels took. */
export interface ComposePackage {
  readonly record: PackageRecord;
  /** The made layers of the chosen level; left out when that is the record's own (`record.level`). */
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
  /** To be written first, in this order: profile layer, config, manifests (what is named before what names it). */
  readonly blobs: readonly ComposedBlob[];
  /** The manifests among `blobs` that `record.manifests` offers, by media type. */
  readonly manifests: Readonly<Record<string, ComposedBlob>>;
  /** The layers that the manifests name and that origins have uploaded: each must be in the bucket before anything is written. */
  readonly layers: readonly Descriptor[];
}

/**
 * Composes an image. The same packages give the same bytes, whatever the order of `packages`. `read` fetches parts of listing blobs.
 * Throws a RegistryError UNKNOWN (500) when a record, a level or a listing contradicts itself, NAME_INVALID (400) when the packages overlap in too many files.
 */
export type Compose = (input: ComposeInput, read: ReadRange) => Promise<ComposedImage>;
