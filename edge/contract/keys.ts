/**
 * Paths of all objects in the bucket, and the keys (hashes) in them. A key covers every input of
 * what it names.
 */
import canonicalize from "canonicalize";
import { type Digest, sha256Hex } from "./digest.ts";
import { RECORD_FORMAT, type System } from "./fields.ts";
import type { Codec } from "./layer-record.ts";

/** What all records of one state of the package set share. */
export interface Scope {
  readonly packageSet: string;
  readonly revision: string;
  readonly system: System;
  readonly plan: string;
}

/** A scope without system: an image's name is looked up in it for every platform. */
export type ImageScope = Omit<Scope, "system">;

/** Canonical JSON (RFC 8785): equal values give equal bytes everywhere. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("canonicalJson: the value cannot be written as JSON");
  return text;
}

/**
 * Key of a layer: a hash of its contents, whatever image or package it is made for. `bare`: a small
 * part, whose blob holds only its trees, without parent directories or end-of-archive.
 */
export function layerKey(
  paths: readonly { readonly path: string; readonly narHash: string }[],
  bare = false,
): Promise<string> {
  const contents = paths
    .map(({ path, narHash }) => [path, narHash])
    .sort(([a = ""], [b = ""]) => (a < b ? -1 : a > b ? 1 : 0));
  return sha256Hex(canonicalJson({ format: RECORD_FORMAT, contents, bare }));
}

/**
 * Key of an image, for all platforms. `names`: sorted components of the request, meta-packages
 * applied; `shell`: whether the image's command is bash.
 */
export function imageKey(
  { packageSet, revision, plan }: ImageScope,
  names: readonly string[],
  shell: boolean,
): Promise<string> {
  return sha256Hex(
    canonicalJson({ format: RECORD_FORMAT, packageSet, revision, plan, names, shell }),
  );
}

/** Key of an image's name: the same at every revision and plan. */
export function imageNameKey(
  packageSet: string,
  names: readonly string[],
  shell: boolean,
): Promise<string> {
  return sha256Hex(canonicalJson({ format: RECORD_FORMAT, packageSet, names, shell }));
}

/** A blob, by its digest. */
export const blobPath = (digest: Digest): string =>
  `blobs/sha256/${digest.slice("sha256:".length)}`;
/** The record of a layer's gzip blob, or of its zstd blob, which may be made later. */
export const layerPath = (key: string, codec: Codec = "gzip"): string =>
  `layers/${key}${codec === "gzip" ? "" : `.${codec}`}.json`;
/**
 * Where the records of this format are. Their paths contain the format, as every hash does, so
 * records of another format are never found.
 */
export const CURRENT = {
  images: `images/v${RECORD_FORMAT}/`,
  packages: `packages/v${RECORD_FORMAT}/`,
  indexes: `index/v${RECORD_FORMAT}/`,
} as const;
/** All images of a name, given by imageNameKey. */
export const imagesPrefix = (nameKey: string): string => `${CURRENT.images}${nameKey}/`;
/** The image of a name with this imageKey: a prefix of its records' paths. */
export const imagePrefix = (nameKey: string, key: string): string =>
  `${imagesPrefix(nameKey)}${key}.`;
/**
 * A record of an image. The path says which platforms it knows (`amd64`; `no-arm64`: there is no
 * image for that one) and has a hint of each of its digests, so that a listing of the name's images
 * tells which of them may have a digest. 64 bits of each are enough to choose by; the record itself
 * decides.
 */
export const imagePath = (
  nameKey: string,
  key: string,
  platforms: readonly string[],
  digests: readonly Digest[],
): string =>
  `${imagePrefix(nameKey, key)}${[...platforms, ...digests.map(digestHint)].join(".")}.json`;
/** The part of a digest that is in the path of an image's record. */
export const digestHint = (digest: Digest): string => digest.slice("sha256:".length).slice(0, 16);
/** What a tag means. */
export const tagPath = (packageSet: string, tag: string): string =>
  `${tagsPrefix(packageSet)}${tag}.json`;
/** A revision at which a tag was seen: only such a revision is served by its own name. */
export const revisionPath = (packageSet: string, revision: string): string =>
  `revisions/${packageSet}/${revision}.json`;
/** What an alias stands for (alias.ts). */
export const aliasPath = (key: string): string => `aliases/${key}.json`;
/** What `latest` last meant on a day (yyyy-mm-dd, UTC). */
export const dayPath = (packageSet: string, day: string): string =>
  `${daysPrefix(packageSet)}${day}.json`;
/** No revision begins like this: `y` and `-` are not hex digits. */
export const daysPrefix = (packageSet: string): string => `revisions/${packageSet}/day-`;
/** All tags of a set: prefix of their tagPath. */
export const tagsPrefix = (packageSet: string): string => `tags/${packageSet}/`;
/** Names of a set's tags, as an origin listed them. */
export const tagNamesPath = (packageSet: string): string => `refs/${packageSet}.json`;
/** The records of all packages of a set. */
export const packagesPrefix = (packageSet: string): string => `${CURRENT.packages}${packageSet}/`;
/** The record of a package. */
export const packagePath = ({ packageSet, revision, system, plan }: Scope, name: string): string =>
  `${packagesPrefix(packageSet)}${revision}/${system}/${plan}/${name}.json`;
/** The record of a package at one more level. No package name contains `~`. */
export const levelPath = (
  { packageSet, revision, system, plan }: Scope,
  name: string,
  level: number,
): string => `${packagesPrefix(packageSet)}${revision}/${system}/${plan}/${name}~${level}.json`;
/**
 * The names in the package set (`top.json`) or in a nested one (`top.python3Packages.json`). No
 * attribute in a path contains a dot.
 */
export const indexPath = (
  { packageSet, revision, system }: Omit<Scope, "plan">,
  path: readonly string[],
): string =>
  `${CURRENT.indexes}${packageSet}/${revision}/${system}/${["top", ...path].join(".")}.json`;
/**
 * The layer plan in force for a package set: `{"plan": id}`, where the plan itself is the blob with
 * that digest.
 */
export const planPath = (packageSet: string): string => `plans/${packageSet}.json`;
