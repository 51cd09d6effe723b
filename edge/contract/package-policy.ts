/**
 * Which packages may be requested: the operator's allow and deny lists. The edge checks them before
 * it asks the farm, and an origin before it evaluates anything.
 *
 * Deny wins. The defaults exclude what multiplies the package set: nixpkgs contains itself many
 * times (pkgsCross, pkgsStatic, pkgsMusl, python3Packages.pkgs …), each time with a hundred
 * thousand packages that no cache has built; and its tests, which boot virtual machines.
 */
import { firstMatch, globFault } from "./globs.ts";

export interface PackagePolicy {
  /** Globs of what is allowed; empty: everything. */
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Value of PACKAGES_DENY when it is not set. */
export const DEFAULT_DENY: readonly string[] = [
  "pkgs*",
  "*.pkgs*",
  "buildpackages*",
  "*.buildpackages*",
  "targetpackages*",
  "*.targetpackages*",
  "nixostests*",
  "tests.*",
  "*.tests*",
];

/** Most globs in one list. */
const MAX_GLOBS = 200;

/**
 * Parses PACKAGES_ALLOW or PACKAGES_DENY: globs separated by spaces or commas. Throws an Error that
 * names the variable and the wrong glob.
 */
export function parseGlobs(variable: string, text: string): readonly string[] {
  const globs = text.split(/[\s,]+/).filter((glob) => glob !== "");
  if (globs.length > MAX_GLOBS)
    throw new Error(`${variable} has ${globs.length} globs; the most is ${MAX_GLOBS}`);
  for (const glob of globs) {
    const fault = globFault(glob);
    if (fault !== undefined) throw new Error(`${variable}: the glob "${glob}" ${fault}`);
  }
  return globs;
}

/**
 * The policy in these variables. PACKAGES_DENY is the default when unset, and nothing when `off`.
 */
export const packagePolicy = (variables: {
  readonly PACKAGES_ALLOW?: string | undefined;
  readonly PACKAGES_DENY?: string | undefined;
}): PackagePolicy => ({
  allow: parseGlobs("PACKAGES_ALLOW", variables.PACKAGES_ALLOW ?? ""),
  deny: denied(variables.PACKAGES_DENY),
});

function denied(text: string | undefined): readonly string[] {
  if (text === undefined) return DEFAULT_DENY;
  return text === "off" ? [] : parseGlobs("PACKAGES_DENY", text);
}

/** Why a package is not served, for the person who asked; undefined when it is. */
export function policyRefusal({ allow, deny }: PackagePolicy, name: string): string | undefined {
  const denied = firstMatch(deny, name);
  if (denied !== undefined)
    return `the package ${name} is not served here: this registry's policy denies ${denied}`;
  if (allow.length > 0 && firstMatch(allow, name) === undefined)
    return `the package ${name} is not served here: this registry's policy does not list it`;
  return undefined;
}
