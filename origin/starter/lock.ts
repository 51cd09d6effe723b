/**
 * The lock: what of the archive makes the set, for one architecture. Pure: the same lists and
 * recipe give the same bytes, with no path of this machine and no mirror's name in it, so that two
 * origins at the same state of the archive have the same revision.
 */
import canonicalize from "canonicalize";
import { upstreamVersion } from "./debian-version.ts";
import type { DebPackage, PackageIndex } from "./packages-file.ts";
import { follow, type Recipe, resolve, unitOf } from "./resolve.ts";
import { closureOf, makeUnits, type Unit } from "./units.ts";

export type Architecture = "amd64" | "arm64";

/** Raise when the lock's form changes. */
const LOCK_FORMAT = 2;

export interface Lock {
  readonly format: number;
  readonly architecture: Architecture;
  /** Attribute path → unit. */
  readonly attributes: Readonly<Record<string, string>>;
  /** Debian package → its .debs; `installed` for the layer plan, bytes. */
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
  /** The .debs that the builder's tools are taken from. */
  readonly tools: readonly string[];
  readonly units: Readonly<Record<string, LockedUnit>>;
}

export interface LockedUnit {
  readonly pname: string;
  readonly version: string;
  readonly description: string;
  readonly homepage: string;
  readonly debs: readonly string[];
  readonly deps: readonly string[];
  /**
   * Dependencies that stay referenced though no file names them: all but shared libraries, which
   * the files themselves name.
   */
  readonly keep: readonly string[];
  /** bash depends on it, so its scripts cannot be pointed at bash. */
  readonly beforeBash: boolean;
}

/** Debian's sections of shared libraries. */
const LIBRARY_SECTIONS = new Set(["libs", "oldlibs"]);

export function makeLock(
  architecture: Architecture,
  index: PackageIndex,
  recipe: Recipe,
): { lock: Lock; missing: readonly string[] } {
  const resolution = resolve(index, recipe);
  const units = makeUnits(recipe, resolution);
  const beforeBash = closureOf(units, "bash");
  const get = (name: string): DebPackage => {
    const found = index.get(name);
    if (!found)
      throw new Error(
        `the package lists for ${architecture} have no ${name}, which the starter set is made with`,
      );
    return found;
  };
  const leadOf = (name: string, unit: Unit): DebPackage => {
    const lead =
      recipe.units[name]?.lead ??
      (unit.packages.includes(name) ? name : (unit.packages[0] ?? name));
    return get(lead);
  };
  const locked = [...units].map(([name, unit]): [string, LockedUnit] => {
    const lead = leadOf(name, unit);
    const keep = unit.dependencies.filter(
      (dependency) =>
        !LIBRARY_SECTIONS.has(leadOf(dependency, units.get(dependency) as Unit).section),
    );
    return [
      name,
      {
        pname: recipe.units[name]?.pname ?? plainName(name),
        version: upstreamVersion(lead.version),
        description: lead.description,
        homepage: lead.homepage,
        debs: unit.packages,
        deps: unit.dependencies,
        keep,
        beforeBash: beforeBash.has(name),
      },
    ];
  });
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
      units: Object.fromEntries(locked),
    },
  };
}

/**
 * In a store path's name the version begins at the first dash before a digit: `libpcre2-8-0`
 * becomes `libpcre2_8_0`.
 */
const plainName = (name: string): string => name.replace(/-(?=\d)/g, "_");

/** The lock's file: canonical JSON (RFC 8785). */
export const lockText = (lock: Lock): string => `${canonicalize(lock)}\n`;
