/**
 * Answers of the JSON API (edge/api), which the page and the command line read. Sizes are bytes.
 * Text is for people; none of it is HTML.
 */
import * as v from "valibot";
import {
  DigestSchema,
  RevisionSchema,
  StorePathSchema,
  SystemSchema,
  TimeSchema,
} from "./fields.ts";

const API_PATH = "/api";
export const SEARCH_PATH = `${API_PATH}/search`;
export const IMAGES_PATH = `${API_PATH}/images/`;
export const DIFF_PATH = `${API_PATH}/diff`;
export const FAILURES_PATH = `${API_PATH}/failures`;
export const DEMAND_PATH = `${API_PATH}/demand`;

const bytes = v.pipe(v.number(), v.integer(), v.minValue(0));
const optionalText = v.optional(v.string());

/** A package that can be asked for. */
const FoundPackageSchema = v.object({
  /** The name that an image's name has for it. */
  name: v.string(),
  /** As Nix spells it. */
  attribute: v.string(),
  version: optionalText,
  description: optionalText,
  /** How often it was pulled lately, as far as the bucket counts it. */
  pulls: bytes,
});
export type FoundPackage = v.InferOutput<typeof FoundPackageSchema>;

export const SearchSchema = v.object({
  /** Where packages come from, for people. */
  packageSet: v.string(),
  /** Null: the tag was not resolved yet. */
  revision: v.nullable(RevisionSchema),
  /** False: the names of this revision are not listed yet, and there is nothing to search. */
  listed: v.boolean(),
  /** How many match; `packages` has the best of them. */
  total: bytes,
  packages: v.array(FoundPackageSchema),
});
export type SearchAnswer = v.InferOutput<typeof SearchSchema>;

/**
 * - made: it was composed, and its digests are known
 * - ready: all its packages are published; it is composed when somebody pulls it
 * - unbuilt: packages, or layers of them, must be built first
 * - unknown: a package does not exist
 */
const IMAGE_STATES = ["made", "ready", "unbuilt", "unknown"] as const;

const ImagePackageSchema = v.object({
  name: v.string(),
  /** Whether the image's name has it; the others come with every image, or with `shell`. */
  requested: v.boolean(),
  state: v.picklist(["built", "unbuilt", "unknown"]),
  attribute: optionalText,
  pname: optionalText,
  version: optionalText,
  description: optionalText,
  storePath: v.optional(StorePathSchema),
  /** Of its whole closure, unpacked. */
  closureSize: v.optional(bytes),
  /** Why it cannot be had, and the nearest names that do exist. */
  message: optionalText,
  nearest: v.optional(v.array(v.string())),
});
export type ImagePackage = v.InferOutput<typeof ImagePackageSchema>;

const ImageLayerSchema = v.object({
  /** Null for the image's own layer before it is composed. */
  digest: v.nullable(DigestSchema),
  /** Compressed. */
  size: bytes,
  /** Null where no closure tells it. */
  unpacked: v.nullable(bytes),
  /** Packages of the image whose closures have it; none for the image's own layer. */
  packages: v.array(v.string()),
  /** Whether it is the image's own: links to the packages, and parts too small for a layer. */
  own: v.boolean(),
  /** Indexes into the closure's store paths. */
  paths: v.optional(v.array(bytes)),
});
export type ImageLayer = v.InferOutput<typeof ImageLayerSchema>;

const ImagePathSchema = v.object({
  path: StorePathSchema,
  /** Unpacked. */
  size: bytes,
  /** Indexes of the store paths that it refers to. */
  references: v.array(bytes),
  /** Packages of the image that this store path is. */
  packages: v.array(v.string()),
  version: optionalText,
  licenses: v.optional(v.array(v.string())),
});
export type ImagePath = v.InferOutput<typeof ImagePathSchema>;

const ManifestSchema = v.object({ mediaType: v.string(), digest: DigestSchema, size: bytes });

const PlatformViewSchema = v.object({
  /** `linux/amd64`. */
  platform: v.string(),
  system: SystemSchema,
  state: v.picklist(IMAGE_STATES),
  /** Why there is no image for this platform, where that is known. */
  message: optionalText,
  /** OCI's first; none unless it is made. */
  manifests: v.array(ManifestSchema),
  packages: v.array(ImagePackageSchema),
  /** Bottom first; null unless all packages are built. */
  layers: v.nullable(v.array(ImageLayerSchema)),
  /**
   * Compressed; null where there are no layers. Before an image is made, its own layer is
   * estimated.
   */
  size: v.nullable(bytes),
  exact: v.boolean(),
  /** Of all store paths; null where a closure is not known. */
  unpacked: v.nullable(bytes),
  /**
   * What a client that has the image `has` still downloads; null without `has`, or where unknown.
   */
  client: v.nullable(v.object({ has: v.string(), layers: bytes, size: bytes })),
  /** The build of what is missing: its log is at `url` once somebody pulls. */
  build: v.nullable(v.object({ packages: v.array(v.string()), url: v.string() })),
  /** Asked for with `closure=1`: all store paths; null where a closure is not known. */
  closure: v.optional(v.nullable(v.array(ImagePathSchema))),
});
export type PlatformView = v.InferOutput<typeof PlatformViewSchema>;

export const ImageViewSchema = v.object({
  /** The name as asked; and the canonical one, which does not depend on the order of packages. */
  name: v.string(),
  title: v.string(),
  packageSet: v.string(),
  tag: v.string(),
  /** Null: the tag was not resolved yet; `platforms` is empty then. */
  revision: v.nullable(RevisionSchema),
  /** The manifest that lists all platforms that are made; empty for a name that pins one. */
  indexes: v.array(ManifestSchema),
  platforms: v.array(PlatformViewSchema),
});
export type ImageView = v.InferOutput<typeof ImageViewSchema>;

const VersionsSchema = v.object({ name: v.string(), from: v.string(), to: v.string() });
const SideSchema = v.object({
  name: v.string(),
  tag: v.string(),
  revision: RevisionSchema,
  size: bytes,
});
export const DiffSchema = v.object({
  platform: v.string(),
  from: SideSchema,
  to: SideSchema,
  /** Packages of the images by name; `changed`: another version. */
  packages: v.object({
    added: v.array(v.object({ name: v.string(), version: v.string() })),
    removed: v.array(v.object({ name: v.string(), version: v.string() })),
    changed: v.array(VersionsSchema),
  }),
  /**
   * The same of store paths, by their names without the hash; null where a closure is not known.
   */
  closure: v.nullable(
    v.object({
      added: v.array(v.object({ name: v.string(), size: bytes })),
      removed: v.array(v.object({ name: v.string(), size: bytes })),
      changed: v.array(VersionsSchema),
      /** Store paths with an equal name and version, and other contents. */
      rebuilt: v.array(v.string()),
    }),
  ),
  /** What a client that has `from` fetches for `to`. */
  moved: v.object({ layers: bytes, size: bytes }),
  /** Layers that both have. */
  kept: v.object({ layers: bytes, size: bytes }),
});
export type DiffAnswer = v.InferOutput<typeof DiffSchema>;

export const FailuresSchema = v.object({
  failures: v.array(
    v.object({
      at: TimeSchema,
      name: v.string(),
      system: v.nullable(SystemSchema),
      result: v.string(),
      message: v.string(),
    }),
  ),
});
export type FailuresAnswer = v.InferOutput<typeof FailuresSchema>;

const DemandAnswerSchema = v.object({
  /** Images pulled today and yesterday; a client counts once a day for an image. */
  pulls: bytes,
  packages: v.array(v.object({ name: v.string(), pulls: bytes })),
});
export type DemandAnswer = v.InferOutput<typeof DemandAnswerSchema>;
