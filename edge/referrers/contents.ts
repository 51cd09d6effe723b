/** What an image consists of, merged from the closures of its packages. */
import type { ClosurePath, PackageClosure } from "../contract/closure.ts";
import type { Scope } from "../contract/keys.ts";
import type { PackageSetSpec } from "../contract/package-set.ts";
import type { PackageRecord } from "../contract/records.ts";

/** A store path of an image, with its references by path. */
export interface ContentPath extends Omit<ClosurePath, "references"> {
  readonly references: readonly string[];
  /** A package of the image: what is said of it is said of this very store path. */
  readonly isPackage: boolean;
}

/** A package of an image, with the level that was taken of it, and what builds it. */
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
  /** Names of all origins that the packages' records rest on, sorted. */
  readonly origins: readonly string[];
}

/** Most store paths of an image that is described: as many as one package has by default. */
const MAX_CONTENT_PATHS = 10_000;

/** The image has more than can be described in a Worker's memory. */
export class TooManyPaths extends RangeError {
  override readonly name = "TooManyPaths";
}

/**
 * Gathers closures, one package after the other: each can be let go before the next is read. What a
 * closure says of its own package wins over what another one says of the same store path; else the
 * first one does that says something, by name, so that the same packages are always described by the
 * same words.
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
