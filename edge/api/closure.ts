/** The store paths of an image: the union of its packages' closures, and which layer holds each. */
import pLimit from "p-limit";
import type { ImagePath } from "../contract/api.ts";
import type { ClosurePath, License } from "../contract/closure.ts";
import { nameAndVersion, storeName } from "../contract/store-path.ts";
import { DamagedBlob } from "../contract/records.ts";
import { note } from "../log.ts";
import type { Context } from "../pull/context.ts";
import { BlobsLost } from "../store/blobs.ts";
import { readClosure } from "../store/closures.ts";
import type { KnownImage } from "./known-image.ts";

export interface ImageClosure {
  /** Sorted by store path. */
  readonly paths: readonly ImagePath[];
  /** Unpacked, bytes. */
  readonly size: number;
  /**
   * Indexes into `paths` of the store paths of these layers, given by key; null where not known.
   */
  pathsOf(keys: readonly string[]): number[] | null;
}

/** Closures in memory at once: one of 10,000 store paths takes 10 MB. */
const AT_ONCE = 2;

/**
 * Null unless all packages are published. It is also null when the bucket has lost a closure: a
 * pull makes that again.
 */
export async function imageClosure(
  { bucket }: Pick<Context, "bucket">,
  { records }: KnownImage,
): Promise<ImageClosure | null> {
  const published = records.filter((record) => record !== null);
  if (published.length < records.length) return null;
  const union = new Union();
  const limit = pLimit(AT_ONCE);
  try {
    await Promise.all(
      published.map(({ name, storePath, closure }) =>
        limit(async () => {
          const { paths, parts = {} } = await readClosure(bucket, closure);
          union.add(paths, parts, storePath);
          union.addPackage(name, storePath);
        }),
      ),
    );
  } catch (error) {
    if (!(error instanceof BlobsLost || error instanceof DamagedBlob)) throw error;
    note("warn", "closure.unread", { error: error.message });
    return null;
  }
  return union.closure();
}

class Union {
  readonly #paths = new Map<string, { readonly facts: ClosurePath; readonly refers: string[] }>();
  /** Store paths of layers, by layer key, as far as the closures read so far tell. */
  readonly #parts = new Map<string, readonly string[]>();
  /** Packages by their store paths. */
  readonly #names = new Map<string, string[]>();

  /** `own`: the package's store path. Only its own closure has the details of it. */
  add(
    paths: readonly ClosurePath[],
    parts: Readonly<Record<string, readonly number[]>>,
    own: string,
  ): void {
    const pathAt = (index: number): string => paths[index]?.path ?? "";
    for (const facts of paths) {
      const known = this.#paths.get(facts.path)?.facts;
      if (facts.path !== own && (known?.licenses ?? known?.pname) !== undefined) continue;
      this.#paths.set(facts.path, { facts, refers: facts.references.map(pathAt) });
    }
    for (const [key, indexes] of Object.entries(parts))
      this.#parts.set(key, [...(this.#parts.get(key) ?? []), ...indexes.map(pathAt)]);
  }

  /** Notes that this store path is the package of that name. */
  addPackage(name: string, storePath: string): void {
    this.#names.set(storePath, [...(this.#names.get(storePath) ?? []), name].sort());
  }

  /** All that was added. */
  closure(): ImageClosure {
    const sorted = [...this.#paths.values()].sort((a, b) => (a.facts.path < b.facts.path ? -1 : 1));
    const indexes = new Map(sorted.map(({ facts }, at) => [facts.path, at]));
    const indexesOf = (paths: readonly string[]): number[] =>
      paths.flatMap((path) => indexes.get(path) ?? []);
    const paths = sorted.map(({ facts, refers }): ImagePath => {
      const { path, narSize, licenses } = facts;
      const version = facts.version ?? nameAndVersion(storeName(path)).version;
      return {
        path,
        size: narSize,
        references: indexesOf(refers),
        packages: this.#names.get(path) ?? [],
        ...(version === "" ? {} : { version }),
        ...(licenses === undefined ? {} : { licenses: licenses.map(licenseText) }),
      };
    });
    return {
      paths,
      size: paths.reduce((sum, { size }) => sum + size, 0),
      pathsOf: (keys) => {
        const parts = keys.map((key) => this.#parts.get(key));
        if (parts.includes(undefined)) return null;
        return [...new Set(indexesOf(parts.flatMap((part) => part ?? [])))].sort((a, b) => a - b);
      },
    };
  }
}

const licenseText = ({ spdxId, name }: License): string => spdxId ?? name ?? "";
