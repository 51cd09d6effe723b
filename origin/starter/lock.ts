/**
 * The lock: which packages of the archive the set is made from, for one architecture. The same
 * package lists and recipe give the same bytes, without a path of this machine or the name of a
 * mirror, so that two origins at the same state of the archive have the same revision. Pure.
 */
import canonicalize from "canonicalize";
import { upstreamVersion } from "./debian-version.ts";
import type { DebPackage, PackageIndex } from "./packages-file.ts";
import { follow, type Recipe, resolve, unitOf } from "./resolve.ts";
import { closureOf, makeUnits, type Unit } from "./units.ts";

export type Architecture = "amd64" | "arm64";

/** To be increased when the form of the lock changes. */
const LOCK_FORMAT = 2;

export interface Lock {
  readonly format: number;
  readonly architecture: Architecture;
  /** Attribute path → unit. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Debian package → its .deb; `installed`: bytes, for the layer plan. */
  readonly debs: Readonly<
    Record<
      string,
      {
        readonly file: string;
        readonly sha256: string;
        readonly suite: string;
        readonly installed: number;
      }
    >
  >;
  /** Debian packages that the builder's tools are taken from. */
  readonly tools: readonly string[];
  readonly units: Readonly<Record<string, LockedUnit>>;
}

/** A store path of the set (units.ts). */
export interface LockedUnit {
  readonly pname: string;
  readonly version: string;
  readonly description: string;
  readonly homepage: string;
  readonly debs: readonly string[];
  readonly deps: readonly string[];
  /**
   * Dependencies to which the store path gets a reference even if no file names them: all except
   * shared libraries, which the programs that need them name.
   */
  readonly keep: readonly string[];
  /** Whether bash depends on it, so that its scripts cannot refer to the bash of the set. */
  readonly beforeBash: boolean;
}

/** Debian's sections of shared libraries. */
const LIBRARY_SECTIONS = new Set(["libs", "oldlibs"]);

/**
 * Makes the lock of an architecture. `missing`: attributes of the recipe for which the archive has
 * no package. Throws an Error when the archive lacks a package that every set needs.
 */
export function makeLock(
  architecture: Architecture,
  index: PackageIndex,
  recipe: Recipe,
): { lock: Lock; missing: readonly string[] } {
  const resolution = resolve(index, recipe);
  const get = (name: string): DebPackage => {
    const found = index.get(name);
    if (!found)
      throw new Error(
        `the package lists for ${architecture} have no ${name}, which the starter set is made with`,
      );
    return found;
  };
  const tools = [...follow(index, recipe, recipe.tools).keys()].sort();
  const debs = [...new Set([...resolution.dependencies.keys(), ...tools])].map((name) => {
    const { file, sha256, suite, installed } = get(name);
    return [name, { file, sha256, suite, installed }] as const;
  });
  const attributes = [...resolution.attributes].map(
    ([attribute, name]) => [attribute, unitOf(recipe, name)] as const,
  );
  return {
    missing: resolution.missing,
    lock: {
      format: LOCK_FORMAT,
      architecture,
      attributes: Object.fromEntries(attributes),
      debs: Object.fromEntries(debs),
      tools,
      units: lockUnits(makeUnits(recipe, resolution), recipe, get),
    },
  };
}

function lockUnits(
  units: ReadonlyMap<string, Unit>,
  recipe: Recipe,
  get: (name: string) => DebPackage,
): Record<string, LockedUnit> {
  /** The package whose version and description are the unit's. */
  const leadOf = (name: string): DebPackage => {
    const { packages = [] } = units.get(name) ?? {};
    const usual = packages.includes(name) ? name : (packages[0] ?? name);
    return get(recipe.units[name]?.lead ?? usual);
  };
  const beforeBash = closureOf(units, "bash");
  const locked = [...units].map(([name, unit]): [string, LockedUnit] => {
    const { version, description, homepage } = leadOf(name);
    return [
      name,
      {
        pname: recipe.units[name]?.pname ?? plainName(name),
        version: upstreamVersion(version),
        description,
        homepage,
        debs: unit.packages,
        deps: unit.dependencies,
        keep: unit.dependencies.filter((other) => !LIBRARY_SECTIONS.has(leadOf(other).section)),
        beforeBash: beforeBash.has(name),
      },
    ];
  });
  return Object.fromEntries(locked);
}

/**
 * The name without dashes before digits, at the first of which Nix sees the version begin:
 * `libpcre2-8-0` becomes `libpcre2_8_0`.
 */
const plainName = (name: string): string => name.replace(/-(?=\d)/g, "_");

/** The lock as a file: canonical JSON (RFC 8785). */
export const lockText = (lock: Lock): string => `${canonicalize(lock)}\n`;
