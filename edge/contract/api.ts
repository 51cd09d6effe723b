/**
 * Answers of the JSON API (edge/api), for the page and the command line. Sizes are in bytes. Text
 * is for people, and none of it is HTML.
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

/** A package that can be requested. */
const FoundPackageSchema = v.object({
  /** As spelled in an image's name. */
  name: v.string(),
  /** In Nix's spelling. */
  attribute: v.string(),
  version: optionalText,
  description: optionalText,
  /** Recent pulls, as counted in the bucket. */
  pulls: bytes,
});
export type FoundPackage = v.InferOutput<typeof FoundPackageSchema>;

export const SearchSchema = v.object({
  /** Label of the package set, for people. */
  packageSet: v.string(),
  /** Null: the tag has not been resolved yet. */
  revision: v.nullable(RevisionSchema),
  /** False: no origin has listed the names of this revision yet, so there is nothing to search. */
  listed: v.boolean(),
  /** Number of matches; `packages` has the best of them. */
  total: bytes,
  packages: v.array(FoundPackageSchema),
});
export type SearchAnswer = v.InferOutput<typeof SearchSchema>;

/**
 * - made: it is composed, and its digests are known
 * - ready: all its packages are published; it is composed when somebody pulls it
 * - unbuilt: packages, or layers of them, must be built first
 * - unknown: a package does not exist
 */
const IMAGE_STATES = ["made", "ready", "unbuilt", "unknown"] as const;

const ImagePackageSchema = v.object({
  name: v.string(),
  /**
   * Whether the image's name contains it; other packages come with every image, or with `shell`.
   */
  requested: v.boolean(),
  state: v.picklist(["built", "unbuilt", "unknown"]),
  attribute: optionalText,
  pname: optionalText,
  version: optionalText,
  description: optionalText,
  storePath: v.optional(StorePathSchema),
  /** Size of the whole closure, uncompressed. */
  closureSize: v.optional(bytes),
  /** Why it is unavailable, with the nearest names that exist. */
  message: optionalText,
  nearest: v.optional(v.array(v.string())),
});
export type ImagePackage = v.InferOutput<typeof ImagePackageSchema>;

const ImageLayerSchema = v.object({
  /** Null for a profile layer that is not composed yet. */
  digest: v.nullable(DigestSchema),
  /** Compressed size. */
  size: bytes,
  /** Uncompressed size; null where no closure tells it: of the profile layer none does. */
  unpacked: v.nullable(bytes),
  /** Packages of the image whose closures contain it; empty for the profile layer. */
  packages: v.array(v.string()),
  /** Whether it is the profile layer: links to the packages, and parts too small for a layer. */
  own: v.boolean(),
  /** Indexes into the closure's store paths. */
  paths: v.optional(v.array(bytes)),
});
export type ImageLayer = v.InferOutput<typeof ImageLayerSchema>;

const ImagePathSchema = v.object({
  path: StorePathSchema,
  /** Uncompressed. */
  size: bytes,
  /** Indexes of the store paths that it refers to. */
  references: v.array(bytes),
  /** Packages of the image whose own store path this is. */
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
  /** Why there is no image for this platform, if known. */
  message: optionalText,
  /** OCI's first; empty unless the image is made. */
  manifests: v.array(ManifestSchema),
  packages: v.array(ImagePackageSchema),
  /** Bottom first; null unless all packages are built. */
  layers: v.nullable(v.array(ImageLayerSchema)),
  /**
   * Compressed size; null without layers. Before an image is made, that of its profile layer is an
   * estimate.
   */
  size: v.nullable(bytes),
  exact: v.boolean(),
  /** Size of all store paths; null where a closure is not known. */
  unpacked: v.nullable(bytes),
  /**
   * What a client that has the image `has` still downloads; null without `has`, or when unknown.
   */
  client: v.nullable(v.object({ has: v.string(), layers: bytes, size: bytes })),
  /** The build of what is missing; its log is at `url` once somebody pulls. */
  build: v.nullable(v.object({ packages: v.array(v.string()), url: v.string() })),
  /** With `closure=1`: all store paths; null where a closure is not known. */
  closure: v.optional(v.nullable(v.array(ImagePathSchema))),
});
export type PlatformView = v.InferOutput<typeof PlatformViewSchema>;

export const ImageViewSchema = v.object({
  /**
   * The name as requested, and the canonical one, which does not depend on the order of packages.
   */
  name: v.string(),
  title: v.string(),
  packageSet: v.string(),
  tag: v.string(),
  /** Null: the tag has not been resolved yet, and `platforms` is empty. */
  revision: v.nullable(RevisionSchema),
  /** The indexes over all platforms that are made; empty for a name that pins a platform. */
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
  /** Packages by name; `changed`: the two images have different versions. */
  packages: v.object({
    added: v.array(v.object({ name: v.string(), version: v.string() })),
    removed: v.array(v.object({ name: v.string(), version: v.string() })),
    changed: v.array(VersionsSchema),
  }),
  /** The same for store paths, by name without hash; null where a closure is not known. */
  closure: v.nullable(
    v.object({
      added: v.array(v.object({ name: v.string(), size: bytes })),
      removed: v.array(v.object({ name: v.string(), size: bytes })),
      changed: v.array(VersionsSchema),
      /** Store paths with the same name and version but other contents. */
      rebuilt: v.array(v.string()),
    }),
  ),
  /** What a client that has `from` downloads for `to`. */
  moved: v.object({ layers: bytes, size: bytes }),
  /** Layers that both contain. */
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
  /** Pulls of today and yesterday; each client counts once a day per image. */
  pulls: bytes,
  packages: v.array(v.object({ name: v.string(), pulls: bytes })),
  /** Whether the numbers are estimates, by a sample of what was counted. */
  sampled: v.boolean(),
});
export type DemandAnswer = v.InferOutput<typeof DemandAnswerSchema>;
