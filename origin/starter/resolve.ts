/** From the attributes of the set to the Debian packages that they need, with dependencies. */
import { compareVersions } from "./debian-version.ts";
import type { PackageIndex } from "./packages-file.ts";

/** nix/starter/packages.json: the hand-written part of the set. */
export interface Recipe {
  /**
   * Attribute path → Debian package: a name, or a `^pattern$`, which means the match with the
   * highest version in its name (`^openjdk-\d+-jre$`).
   */
  readonly attributes: Readonly<
    Record<string, { readonly deb: string; readonly main?: string | null }>
  >;
  readonly units: Readonly<Record<string, UnitRecipe>>;
  /**
   * Packages that are left out as dependencies, since they only work in an installed system
   * (debconf, scripts for daemons) or are large and not needed. Names or patterns.
   */
  readonly skip: readonly string[];
  /** Debian package → the one that is taken in its place. */
  readonly prefer: Readonly<Record<string, string>>;
  /** Packages whose dependencies are not followed. */
  readonly nodeps: readonly string[];
  /** Packages from which the builder's tools come. */
  readonly tools: readonly string[];
}

/** How one unit (units.ts) differs from the usual. */
export interface UnitRecipe {
  /** Patterns of the packages that form this unit; by default each package is a unit. */
  readonly merge?: readonly string[];
  /** The package that gives the unit its version; by default that of its name, else the first. */
  readonly lead?: string;
  readonly pname?: string;
  /** Further dependencies: names or patterns, as for an attribute. */
  readonly add?: readonly string[];
  /** Debian's dependencies that are not needed here: names or patterns. */
  readonly drop?: readonly string[];
}

export interface Resolution {
  /** Attribute path → package. */
  readonly attributes: ReadonlyMap<string, string>;
  /** Package → the packages it depends on directly. */
  readonly dependencies: ReadonlyMap<string, readonly string[]>;
  /** Attributes whose package the archive does not have. */
  readonly missing: readonly string[];
}

/** The package that a name or pattern of the recipe means; undefined if there is none. */
function findPackage(index: PackageIndex, wanted: string): string | undefined {
  if (!wanted.startsWith("^")) return index.names.has(wanted) ? wanted : undefined;
  const pattern = new RegExp(wanted);
  return [...index.names]
    .filter((name) => pattern.test(name))
    .sort(compareVersions)
    .at(-1);
}

/** A test for packages that are in a list of names and `^patterns$`. */
function oneOf(list: readonly string[]): (name: string) => boolean {
  const names = new Set(list);
  const patterns = list
    .filter((wanted) => wanted.startsWith("^"))
    .map((wanted) => new RegExp(wanted));
  return (name) => names.has(name) || patterns.some((pattern) => pattern.test(name));
}

/**
 * Every package that `roots` need, with its direct dependencies. Of alternatives the first that
 * exists is taken, as apt does on an empty system.
 */
export function follow(
  index: PackageIndex,
  recipe: Recipe,
  roots: Iterable<string>,
): Map<string, string[]> {
  const skip = oneOf(recipe.skip);
  const choose = (alternatives: readonly string[]): string | undefined => {
    if (alternatives.some(skip)) return undefined;
    for (const name of alternatives) {
      const preferred = recipe.prefer[name] ?? name;
      if (index.names.has(preferred)) return preferred;
      const provider = index.providers(name).find((candidate) => !skip(candidate));
      if (provider !== undefined) return provider;
    }
    return undefined;
  };
  const dependencies = new Map<string, string[]>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    if (dependencies.has(name)) continue;
    const { drop = [], add = [] } = recipe.units[unitOf(recipe, name)] ?? {};
    const dropped = oneOf(drop);
    const clauses = recipe.nodeps.includes(name)
      ? []
      : [
          ...(index.get(name)?.depends ?? []),
          ...add.map((extra) => [findPackage(index, extra) ?? extra]),
        ];
    const chosen = clauses
      .map(choose)
      .filter(
        (dependency) => dependency !== undefined && dependency !== name && !dropped(dependency),
      );
    const unique = [...new Set(chosen)] as string[];
    dependencies.set(name, unique);
    queue.push(...unique);
  }
  return dependencies;
}

const mergePatterns = new WeakMap<Recipe, [string, RegExp][]>();

/** The name of the unit that a package belongs to. */
export function unitOf(recipe: Recipe, name: string): string {
  let patterns = mergePatterns.get(recipe);
  if (!patterns) {
    patterns = Object.entries(recipe.units).flatMap(
      ([unit, { merge = [] }]) =>
        (merge.length > 0 ? [[unit, new RegExp(`^(?:${merge.join("|")})$`)]] : []) as [
          string,
          RegExp,
        ][],
    );
    mergePatterns.set(recipe, patterns);
  }
  return patterns.find(([, pattern]) => pattern.test(name))?.[0] ?? name;
}

/** Finds the packages of all attributes, and of bash, with everything that they depend on. */
export function resolve(index: PackageIndex, recipe: Recipe): Resolution {
  const found = Object.entries(recipe.attributes).map(
    ([attribute, { deb }]) => [attribute, findPackage(index, deb)] as const,
  );
  const attributes = new Map(
    found.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const missing = found.filter(([, name]) => name === undefined).map(([attribute]) => attribute);
  // bash runs the wrappers of programs.
  return {
    attributes,
    missing,
    dependencies: follow(index, recipe, ["bash", ...attributes.values()]),
  };
}
