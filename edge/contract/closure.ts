/**
 * Closures: what a package consists of, store path by store path, and where each came from. An
 * origin publishes one with every package, as a gzipped JSON blob (closure-blob.ts). Composing
 * never reads it; bills of materials, provenance and the registry's own pages do.
 *
 *   { format: 1, nix: "2.31.4", derivation: "/nix/store/…-hello-2.12.drv", output: "out",
 *     paths: [ { path: "/nix/store/…-glibc-2.40", narHash, narSize, references: [] },
 *              { path: "/nix/store/…-hello-2.12", narHash, narSize, references: [0], deriver: "…",
 *                pname: "hello", version: "2.12", licenses: [{ spdxId: "GPL-3.0-or-later" }] } ],
 *     parts: { "<layer key>": [0], "<another>": [1] } }
 */
import * as v from "valibot";
import { sha256Hex } from "./digest.ts";
import {
  BytesSchema,
  DigestSchema,
  KeySchema,
  ShortTextSchema,
  StorePathSchema,
} from "./fields.ts";
import { canonicalJson } from "./keys.ts";

/** Increased when a field of a closure changes its meaning. */
export const CLOSURE_FORMAT = 1;
/** Most store paths of a closure: twice what origins take by default (CLOSURE_PATHS). */
export const MAX_CLOSURE_PATHS = 20_000;
/** Most references of all store paths together: 10,000 paths have some 100,000. */
export const MAX_CLOSURE_REFERENCES = 400_000;
/** Most licences of one package: nixpkgs' linux-firmware has a dozen. */
export const MAX_LICENSES = 50;

const DerivationSchema = v.pipe(
  StorePathSchema,
  v.endsWith(".drv", "a derivation is a store path that ends in .drv"),
);

/** The format of an identifier in SPDX's list of licences. */
export const SPDX_ID = /^[A-Za-z0-9.+-]{1,100}$/;
/** A licence as the package set states it: its SPDX identifier, if it has one, and its name. */
const LicenseSchema = v.strictObject({
  spdxId: v.optional(v.pipe(v.string(), v.regex(SPDX_ID))),
  name: v.optional(ShortTextSchema),
});
export type License = v.InferOutput<typeof LicenseSchema>;

/**
 * Metadata of a package, as far as the package set states it. For the closure's own package it is
 * that of this store path; for any other, that of the package with the same name and version.
 */
const MetadataEntries = {
  pname: v.optional(ShortTextSchema),
  version: v.optional(ShortTextSchema),
  description: v.optional(ShortTextSchema),
  homepage: v.optional(ShortTextSchema),
  licenses: v.optional(v.pipe(v.array(LicenseSchema), v.maxLength(MAX_LICENSES))),
};

export type Metadata = v.InferOutput<v.StrictObjectSchema<typeof MetadataEntries, undefined>>;

const ClosurePathSchema = v.strictObject({
  path: StorePathSchema,
  /** SHA-256 of its NAR. */
  narHash: DigestSchema,
  narSize: BytesSchema,
  /** Indexes of the store paths that it refers to, except itself, in order. */
  references: v.array(v.pipe(v.number(), v.integer(), v.minValue(0))),
  /**
   * The derivation that built it, according to the origin's Nix; for a downloaded path, according
   * to the binary cache.
   */
  deriver: v.optional(DerivationSchema),
  ...MetadataEntries,
});
export type ClosurePath = v.InferOutput<typeof ClosurePathSchema>;

export const PackageClosureSchema = v.pipe(
  v.strictObject({
    format: v.literal(CLOSURE_FORMAT),
    /** Version of the Nix that built the package, or found it built. */
    nix: ShortTextSchema,
    /**
     * The derivation that the package set defines for the package, and which of its outputs this
     * is.
     */
    derivation: DerivationSchema,
    output: ShortTextSchema,
    /** All store paths, sorted, each once. */
    paths: v.pipe(v.array(ClosurePathSchema), v.minLength(1), v.maxLength(MAX_CLOSURE_PATHS)),
    /** For each part of the package's record, by key: the indexes of its store paths. */
    parts: v.optional(v.record(KeySchema, v.array(v.pipe(v.number(), v.integer(), v.minValue(0))))),
  }),
  v.check(
    ({ paths }) => paths.every(({ path }, at) => at === 0 || path > (paths[at - 1]?.path ?? "")),
    "the store paths of a closure are sorted, each once",
  ),
  v.check(
    ({ paths, parts = {} }) =>
      Object.values(parts).every((part) => part.every((index) => index < paths.length)),
    "the parts of a closure are made of its own store paths",
  ),
  v.check(({ paths }) => {
    const all = paths.flatMap(({ references }) => references);
    return all.length <= MAX_CLOSURE_REFERENCES && all.every((index) => index < paths.length);
  }, `a closure refers to its own store paths, at most ${MAX_CLOSURE_REFERENCES} times`),
);
/** A package's closure. */
export type PackageClosure = v.InferOutput<typeof PackageClosureSchema>;

/** A store path and the paths it refers to, from which a closure is made. */
export interface ClosureEntry extends Omit<ClosurePath, "references"> {
  readonly references: readonly string[];
}

/** The paths of a closure, from entries in any order; every reference must be among the entries. */
export function closurePaths(entries: Iterable<ClosureEntry>): ClosurePath[] {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  const indexes = new Map(sorted.map(({ path }, at) => [path, at]));
  return sorted.map(({ references, ...entry }) => ({
    ...entry,
    references: references
      .map((path) => {
        const at = indexes.get(path);
        if (at === undefined) throw new TypeError(`${path} is not in the closure of ${entry.path}`);
        return at;
      })
      .sort((a, b) => a - b),
  }));
}

/**
 * The parts of a closure: the store paths of each layer, by layer key. A layer may hold more than
 * the closure's: the base layer holds those of every image.
 */
export function closureParts(
  paths: readonly Pick<ClosurePath, "path">[],
  parts: Iterable<{ readonly key: string; readonly paths: Iterable<{ readonly path: string }> }>,
): Record<string, number[]> {
  const indexes = new Map(paths.map(({ path }, at) => [path, at]));
  return Object.fromEntries(
    Array.from(parts, ({ key, paths }) => [
      key,
      Array.from(paths, ({ path }) => indexes.get(path))
        .filter((at) => at !== undefined)
        .sort((a, b) => a - b),
    ]),
  );
}

/**
 * Hash of everything that does not depend on who made the closure, so origins that agree on a
 * package have the same hash. It leaves out each path's deriver, which comes from a binary cache;
 * the version of the machine's Nix; and the metadata of dependencies, which an origin omits when it
 * cannot read them in time. `own`: the store path of the closure's package.
 */
export function closureContent(
  { nix: _nix, paths, ...all }: PackageClosure,
  own: string,
): Promise<string> {
  const content = paths.map(({ deriver: _deriver, ...entry }) => {
    const { path, narHash, narSize, references } = entry;
    return path === own ? entry : { path, narHash, narSize, references };
  });
  return sha256Hex(canonicalJson({ ...all, paths: content }));
}
