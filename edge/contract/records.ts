/**
 * What an origin publishes and the edge composes from. These schemas are the contract between the
 * two: the origin builds values of these types, the edge validates them again before it writes them
 * (an origin may be wrong or malicious).
 */
import * as v from "valibot";
import { type Digest, DIGEST_PATTERN, HEX256_PATTERN } from "./digest.ts";

/**
 * Goes up whenever the bytes of layers, records or images made from the same inputs change; it is
 * part of every key.
 */
export const RECORD_FORMAT = 2;

/**
 * What an origin published contradicts itself, or what it was asked for. `detail` says where: the
 * package, the layer, the listing.
 */
export class InvalidRecord extends Error {
  override readonly name = "InvalidRecord";
  readonly detail: Readonly<Record<string, string>>;

  constructor(message: string, detail: Readonly<Record<string, string>> = {}) {
    super(message);
    this.detail = detail;
  }
}

/** OCI platforms by Nix system. */
export const PLATFORMS = {
  "x86_64-linux": { os: "linux", architecture: "amd64" },
  "aarch64-linux": { os: "linux", architecture: "arm64" },
} as const;
export type System = keyof typeof PLATFORMS;
export const SYSTEMS = Object.keys(PLATFORMS) as [System, ...System[]];

/**
 * Docker's overlay drivers mount at most 127 layers; the profile layer is one, and a margin is left
 * for images built on top (`FROM`).
 */
export const MAX_LAYERS = 120;
/** Most levels a record may list; layer plans have three. */
export const MAX_LEVELS = 8;
/** A closure has at most this many parts over all its levels. */
export const MAX_PARTS = 2_000;
/**
 * Largest layer a record may name, bytes: R2 takes 5 TiB by multipart, containerd and docker stay
 * well below.
 */
export const MAX_BLOB_BYTES = 64 * 2 ** 30;

export const DigestSchema = v.custom<Digest>(
  (value) => typeof value === "string" && DIGEST_PATTERN.test(value),
  "a digest is sha256: and 64 lower-case hex digits",
);
const digest = DigestSchema;
export const LayerKeySchema = v.pipe(
  v.string(),
  v.regex(HEX256_PATTERN, "a key is 64 lower-case hex digits"),
);
const key = LayerKeySchema;
const bytes = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_BLOB_BYTES));
const shortText = v.pipe(v.string(), v.maxLength(1_000));
const index = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_PARTS));

export const SystemSchema = v.picklist(SYSTEMS);
/**
 * A revision: 40 lower-case hex digits, a git commit, or the first 160 bits of a content hash for a
 * path.
 */
export const RevisionSchema = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{40}$/, "a revision is 40 lower-case hex digits"),
);
export const isRevision = (text: string): boolean => v.is(RevisionSchema, text);

/** One component of the distribution spec's `<name>` grammar ("Pulling manifests"). */
export const COMPONENT_PATTERN = /^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*$/;
/**
 * One component of an image name, as the client wrote it: lower case, `.` between nested
 * attributes.
 */
export const ComponentSchema = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(
    COMPONENT_PATTERN,
    "a component is lower-case letters and digits, separated by . _ __ or -",
  ),
);
/** Identity of a layer plan: `none`, or the hex SHA-256 of the plan's canonical JSON. */
export const PlanIdSchema = v.pipe(
  v.string(),
  v.regex(/^(none|[0-9a-f]{64})$/, "a plan is named none, or by 64 lower-case hex digits"),
);
export const StorePathSchema = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(
    /^\/nix\/store\/[0-9a-z]{32}-[0-9a-zA-Z+\-._?=]+$/,
    "a store path is /nix/store/<hash>-<name>",
  ),
);

export const DescriptorSchema = v.strictObject({ digest, size: bytes });
export type Descriptor = v.InferOutput<typeof DescriptorSchema>;

/**
 * One store path in the blob of a small part: `name` is its file name below /nix/store, `size` its
 * compressed bytes, one or more gzip members, and `tarSize` their bytes uncompressed. The trees of a
 * blob are in order, with nothing between them.
 */
const TreeSchema = v.strictObject({
  name: v.pipe(v.string(), v.maxLength(255), v.regex(/^[0-9a-z]{32}-[0-9a-zA-Z+\-._?=]+$/)),
  size: bytes,
  tarSize: bytes,
});
export type Tree = v.InferOutput<typeof TreeSchema>;
/** Most store paths in a small part. */
const MAX_TREES = 10_000;

/**
 * A layer that has been made and is in the bucket. `key`: hash of its sorted (store path, NAR
 * hash), see `layerKey`. `digest`, `size`: of the gzip blob. `diffId`: digest of the tar (OCI
 * config.md). `zstd`: the same tar as a zstd blob, where the origin makes those.
 */
export const LayerSchema = v.strictObject({
  key,
  digest,
  size: bytes,
  diffId: digest,
  zstd: v.optional(DescriptorSchema),
  /** Of a small part only: its blob is no layer, but trees to be appended to one. */
  trees: v.optional(v.pipe(v.array(TreeSchema), v.minLength(1), v.maxLength(MAX_TREES))),
});
export type Layer = v.InferOutput<typeof LayerSchema>;

/**
 * One unit that some level of a package's closure is cut into, made or not. `rank`: where the layer
 * stands among an image's layers: higher first, ties by key. Decided by the plan alone, so it is
 * the same in every package that has the part.
 */
export const PartSchema = v.strictObject({
  key,
  rank: v.pipe(v.number(), v.finite(), v.minValue(0)),
  /**
   * NAR bytes of a part that the plan finds too small for a layer: it travels in the image's own.
   */
  small: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
});
export type Part = v.InferOutput<typeof PartSchema>;

/**
 * All that the edge has to know about one package to put it into any image. `levels[n]` lists the
 * parts (indexes into `parts`) of the closure at level n, finest first; a level of more than
 * MAX_LAYERS parts is an empty list and cannot be used. `layers` are the made layers of level
 * `level`; those of another level are in a LevelRecord once somebody asked for it.
 */
export const PackageRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: shortText,
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  name: ComponentSchema,
  /**
   * The attribute that the name found, as Nix spells it: `ImageMagick` for imagemagick, `_7zz` for
   * 7zz.
   */
  attribute: shortText,
  pname: shortText,
  version: shortText,
  description: v.optional(shortText),
  /**
   * File name below the package's /bin that runs when nothing else is named; only when that file
   * exists.
   */
  mainProgram: v.optional(v.pipe(v.string(), v.regex(/^[^/\0]{1,255}$/))),
  storePath: StorePathSchema,
  /** NAR bytes of the whole closure. */
  closureSize: v.pipe(v.number(), v.integer(), v.minValue(0)),
  /** The file listing of storePath, see listing.ts. */
  listing: DescriptorSchema,
  parts: v.pipe(v.array(PartSchema), v.minLength(1), v.maxLength(MAX_PARTS)),
  levels: v.pipe(
    v.array(v.pipe(v.array(index), v.maxLength(MAX_LAYERS))),
    v.minLength(1),
    v.maxLength(MAX_LEVELS),
  ),
  level: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1)),
  layers: v.pipe(v.array(LayerSchema), v.minLength(1), v.maxLength(MAX_LAYERS)),
});
export type PackageRecord = v.InferOutput<typeof PackageRecordSchema>;

/** The made layers of one more level of a package. */
export const LevelRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  level: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MAX_LEVELS - 1)),
  layers: v.pipe(v.array(LayerSchema), v.minLength(1), v.maxLength(MAX_LAYERS)),
});
export type LevelRecord = v.InferOutput<typeof LevelRecordSchema>;

/**
 * A blob's members: each is compressed for itself and holds `tarBytes` of the tar, the last what is
 * left. `sizes`: compressed bytes of each, in order; so a reader can start at any of them.
 */
const MembersSchema = v.strictObject({
  tarBytes: v.pipe(v.number(), v.integer(), v.minValue(1)),
  sizes: v.pipe(v.array(bytes), v.maxLength(2 ** 20)),
});
export type Members = v.InferOutput<typeof MembersSchema>;

/** How a blob was made; earlier records do not say. */
const making = {
  /** All that decides the compressed bytes: `libdeflate 1.14, level 5`. */
  compressor: v.optional(shortText),
  members: v.optional(MembersSchema),
};

/**
 * Layer key → made layer, at layers/<key>.json; written by origins, so that no origin packs again
 * what another packed.
 */
export const LayerRecordSchema = v.strictObject({ ...LayerSchema.entries, ...making });
/** The same tar as a zstd blob. */
export const ZstdRecordSchema = v.strictObject({ ...DescriptorSchema.entries, ...making });
export type LayerRecord = v.InferOutput<typeof LayerRecordSchema>;
export type ZstdRecord = v.InferOutput<typeof ZstdRecordSchema>;

/** Most names in a package index: nixpkgs has 25,000 at its top level. */
export const MAX_INDEX_NAMES = 100_000;
/** Largest package index, bytes of JSON: nixpkgs' top level takes 450 kB. */
export const MAX_INDEX_BYTES = 2 * 2 ** 20;
/** Most sets that a nested set with an index lies in, itself included; sets may be endless. */
export const MAX_INDEX_DEPTH = 3;
/** The attributes that lead to a nested set, as Nix spells them; none for the package set itself. */
export const AttributePathSchema = v.pipe(
  v.array(
    v.pipe(
      v.string(),
      v.regex(
        /^[A-Za-z0-9_-]{1,255}$/,
        "an attribute that can be asked for has letters, digits, _ and -",
      ),
    ),
  ),
  v.maxLength(MAX_INDEX_DEPTH),
);
/**
 * Every attribute name of the package set, or of the nested set at `path`, at a revision. `names`: a
 * blob, the names as Nix spells them, sorted, a JSON list (package-index.ts).
 */
export const IndexRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: shortText,
  revision: RevisionSchema,
  system: SystemSchema,
  path: AttributePathSchema,
  names: v.strictObject({
    digest,
    size: v.pipe(v.number(), v.integer(), v.minValue(2), v.maxValue(MAX_INDEX_BYTES)),
  }),
});
export type IndexRecord = v.InferOutput<typeof IndexRecordSchema>;

/** What a tag means. `resolvedAt`: milliseconds since 1970. */
export const TagRecordSchema = v.strictObject({
  revision: RevisionSchema,
  resolvedAt: v.pipe(v.number(), v.integer(), v.minValue(0)),
});
export type TagRecord = v.InferOutput<typeof TagRecordSchema>;

/** A revision that belongs to its set: `tag` meant it at `seenAt`, milliseconds since 1970. */
export const RevisionRecordSchema = v.strictObject({
  tag: shortText,
  seenAt: v.pipe(v.number(), v.integer(), v.minValue(0)),
});
export type RevisionRecord = v.InferOutput<typeof RevisionRecordSchema>;

/** The layer plan in force for a package set. */
export const PlanPointerSchema = v.object({ plan: PlanIdSchema });
export type PlanPointer = v.InferOutput<typeof PlanPointerSchema>;

/**
 * A composed image. `manifests`: digest by manifest media type; the manifests and the config are
 * blobs.
 */
export const ImageRecordSchema = v.strictObject({
  format: v.literal(RECORD_FORMAT),
  packageSet: shortText,
  revision: RevisionSchema,
  system: SystemSchema,
  plan: PlanIdSchema,
  manifests: v.record(v.string(), DescriptorSchema),
  /** How it was composed: the level of each package, by name. */
  levels: v.record(v.string(), v.number()),
});
export type ImageRecord = v.InferOutput<typeof ImageRecordSchema>;
