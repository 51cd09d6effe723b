/** What an image consists of, merged from the closures of its packages. */
import type { ClosurePath, PackageClosure } from "../contract/closure.ts";
import type { Scope } from "../contract/keys.ts";
import type { PackageSetSpec } from "../contract/package-set.ts";
import type { PackageRecord } from "../contract/records.ts";

/** A store path of an image, with its references by path. */
export interface ContentPath extends Omit<ClosurePath, "references"> {
  readonly references: readonly string[];
  /**
   * Whether it is a package of the image. Then its metadata is about this very store path; that of
   * any other is about the package in the set with the same name and version.
   */
  readonly isPackage: boolean;
}

/**
 * A package of an image, the level of it that is in the image, and the derivation that builds it.
 */
export interface ContentPackage {
  readonly record: PackageRecord;
  readonly level: number;
  readonly derivation: string;
  readonly output: string;
}

export interface ImageContents {
  readonly scope: Scope;
  readonly set: Pick<PackageSetSpec, "kind" | "label">;
  /** As the image is shown: `shell/curl/git`. */
  readonly name: string;
  readonly shell: boolean;
  /** Sorted by name. */
  readonly packages: readonly ContentPackage[];
  /** Every store path, sorted. */
  readonly paths: readonly ContentPath[];
  /** Versions of Nix that built it, or found it built, sorted. */
  readonly nix: readonly string[];
  /** Names of all origins that made the packages' records and layers, sorted. */
  readonly origins: readonly string[];
}

/**
 * Most store paths of an image that has documents: the default limit of one package
 * (CLOSURE_PATHS).
 */
const MAX_CONTENT_PATHS = 10_000;

/** The image has too many store paths for documents about it to be made in a Worker's memory. */
export class TooManyPaths extends RangeError {
  override readonly name = "TooManyPaths";
}

/**
 * Merges the closures of an image's packages, one after the other, so that only one is in memory.
 * Where several have the same store path, its metadata is taken from the closure of that very
 * package, else from the first closure that has any. Packages come sorted, so the result does not
 * depend on the order in which closures are read.
 */
export class Gathering {
  readonly #paths = new Map<string, ContentPath>();
  readonly #packages: ContentPackage[] = [];
  readonly #nix = new Set<string>();

  /** Packages come sorted by name. Throws TooManyPaths. */
  add(record: PackageRecord, level: number, closure: PackageClosure): void {
    const { derivation, output, paths, nix } = closure;
    this.#packages.push({ record, level, derivation, output });
    this.#nix.add(nix);
    for (const path of paths) {
      const known = this.#paths.get(path.path);
      const isPackage = path.path === record.storePath;
      const saysMore = isPackage || (path.pname !== undefined && known?.pname === undefined);
      if (known === undefined || (saysMore && !known.isPackage))
        this.#paths.set(path.path, {
          ...path,
          references: path.references.map((at) => (paths[at] as ClosurePath).path),
          isPackage,
          ...(known?.deriver && { deriver: known.deriver }),
        });
    }
    if (this.#paths.size > MAX_CONTENT_PATHS)
      throw new TooManyPaths(
        `the image has more than ${MAX_CONTENT_PATHS} store paths: its contents are not listed`,
      );
  }

  contents(image: Pick<ImageContents, "scope" | "set" | "name" | "shell">): ImageContents {
    const origins = new Set(this.#packages.flatMap(({ record }) => record.origins));
    return {
      ...image,
      packages: this.#packages,
      paths: [...this.#paths.values()].sort((a, b) => (a.path < b.path ? -1 : 1)),
      nix: [...this.#nix].sort(),
      origins: [...origins].sort(),
    };
  }
}
