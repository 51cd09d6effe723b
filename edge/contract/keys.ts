/**
 * Paths of everything in the bucket, and the keys (hashes) in them. Every input of a value is in
 * its key (Nixery's key left out the architecture and the separator).
 */
import canonicalize from "canonicalize";
import { type Digest, sha256Hex } from "./digest.ts";
import { RECORD_FORMAT, type System } from "./fields.ts";
import type { Codec } from "./layer-record.ts";

/** What all records of one state of the package set have in common. */
export interface Scope {
  readonly packageSet: string;
  readonly revision: string;
  readonly system: System;
  readonly plan: string;
}

/**
 * The same without a system: the state at which an image's name is looked up, for every platform.
 */
export type ImageScope = Omit<Scope, "system">;

/** Canonical JSON (RFC 8785): the same value is the same bytes everywhere. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError("canonicalJson: the value has no JSON form");
  return text;
}

/**
 * Key of a layer: a hash of its contents, whatever image or package it is made for. `bare`: a small
 * part, whose blob holds only its trees, without parent directories and end-of-archive.
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
 * Key of an image, of all platforms. `names`: sorted request components, meta-packages applied;
 * `shell`: whether the image's command is bash.
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

/** Key of an image's name: the same for its images at every revision and plan. */
export function imageNameKey(
  packageSet: string,
  names: readonly string[],
  shell: boolean,
): Promise<string> {
  return sha256Hex(canonicalJson({ format: RECORD_FORMAT, packageSet, names, shell }));
}

export const blobPath = (digest: Digest): string =>
  `blobs/sha256/${digest.slice("sha256:".length)}`;
/** The record of a layer's gzip blob, or of the same tar as zstd, which may be made later. */
export const layerPath = (key: string, codec: Codec = "gzip"): string =>
  `layers/${key}${codec === "gzip" ? "" : `.${codec}`}.json`;
/** All images of a name (imageNameKey). */
export const imagesPrefix = (nameKey: string): string => `images/v${RECORD_FORMAT}/${nameKey}/`;
/** The one image of a name that has this key (imageKey): what its records' paths begin with. */
export const imagePrefix = (nameKey: string, key: string): string =>
  `${imagesPrefix(nameKey)}${key}.`;
/**
 * A record of an image. The path says which platforms it knows (`amd64`, `no-arm64`: there is no
 * image for that one), and which digests it has, so that a digest leads to the image: a listing of
 * the name's images tells which of them to read. 64 bits of each are enough to choose by; the
 * record tells whether it is the one.
 */
export const imagePath = (
  nameKey: string,
  key: string,
  platforms: readonly string[],
  digests: readonly Digest[],
): string =>
  `${imagePrefix(nameKey, key)}${[...platforms, ...digests.map(digestHint)].join(".")}.json`;
/** The part of a digest that the path of an image's record holds. */
export const digestHint = (digest: Digest): string => digest.slice("sha256:".length).slice(0, 16);
export const tagPath = (packageSet: string, tag: string): string =>
  `${tagsPrefix(packageSet)}${tag}.json`;
/** A revision that a tag was seen at: only such a revision is served by its own name. */
export const revisionPath = (packageSet: string, revision: string): string =>
  `revisions/${packageSet}/${revision}.json`;
/** What an alias stands for (alias.ts). */
export const aliasPath = (key: string): string => `aliases/${key}.json`;
/** The record of what `latest` meant last on one day (yyyy-mm-dd, UTC). */
export const dayPath = (packageSet: string, day: string): string =>
  `${daysPrefix(packageSet)}${day}.json`;
/** No revision begins with it: `y` and `-` are no hex digits. */
export const daysPrefix = (packageSet: string): string => `revisions/${packageSet}/day-`;
/** What tags of a set mean: `tagPath` of each. */
export const tagsPrefix = (packageSet: string): string => `tags/${packageSet}/`;
/** Names of a set's tags, as an origin listed them. */
export const tagNamesPath = (packageSet: string): string => `refs/${packageSet}.json`;
/**
 * The records of all packages of a set. The format is part of the path, as it is part of every
 * hash, so records of another format are never found.
 */
export const packagesPrefix = (packageSet: string): string =>
  `packages/v${RECORD_FORMAT}/${packageSet}/`;
export const packagePath = ({ packageSet, revision, system, plan }: Scope, name: string): string =>
  `${packagesPrefix(packageSet)}${revision}/${system}/${plan}/${name}.json`;
/** The record of a package at one more level. No package's name holds `~`. */
export const levelPath = (
  { packageSet, revision, system, plan }: Scope,
  name: string,
  level: number,
): string => `${packagesPrefix(packageSet)}${revision}/${system}/${plan}/${name}~${level}.json`;
/**
 * The names in the package set, `top.json`, or in a nested one, `top.python3Packages.json`; no
 * attribute of a path holds a dot.
 */
export const indexPath = (
  { packageSet, revision, system }: Omit<Scope, "plan">,
  path: readonly string[],
): string =>
  `index/v${RECORD_FORMAT}/${packageSet}/${revision}/${system}/${["top", ...path].join(".")}.json`;
/**
 * The layer plan in force for a package set: `{"plan": id}`; the plan itself is the blob of that
 * digest.
 */
export const planPath = (packageSet: string): string => `plans/${packageSet}.json`;
