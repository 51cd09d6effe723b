/** What a layer is called, and how large its store paths are. Pure. */
import type { ImageLayer, ImagePath } from "../../../contract/api.ts";
import { storeName } from "../../../contract/store-path.ts";

/** The store paths of the image; null where they are not known. */
export type Paths = readonly ImagePath[] | null;

/** What most of a layer consists of. */
export function titleOf({ paths = [], own, packages }: ImageLayer, closure: Paths): string {
  if (own) return "links and small parts";
  const largest = [...paths].sort((a, b) => sizeOf(closure, b) - sizeOf(closure, a))[0];
  const path = largest === undefined ? undefined : closure?.[largest]?.path;
  if (path === undefined) return packages.join(", ");
  return storeName(path) + (paths.length > 1 ? ` and ${paths.length - 1} more` : "");
}

/** Uncompressed bytes of the store path at this index; 0 where not known. */
export const sizeOf = (closure: Paths, at: number): number => closure?.[at]?.size ?? 0;
