/**
 * The layers of an image, from its packages' records, whether or not it was composed; and which of
 * them a client that has another image still downloads. Pure.
 */
import type { ComposePackage } from "../compose/compose.ts";
import { imageParts } from "../contract/levels.ts";
import type { Digest } from "../contract/digest.ts";
import type { SystemImage } from "../contract/records.ts";

export interface LayerFacts {
  /** Key of the layer, or keys of the small parts in the profile layer. */
  readonly keys: readonly string[];
  /** Null for a profile layer that is not composed yet. */
  readonly digest: Digest | null;
  /** Compressed, bytes. */
  readonly size: number;
  /** Sorted names of the packages whose closures contain it; empty for the profile layer. */
  readonly packages: readonly string[];
  readonly own: boolean;
}

/** Approximate size of the links and text files in a profile layer, compressed, bytes. */
const LINKS_BYTES = 8_000;

/**
 * Bottom first, the profile layer last. `image`: the composed image, if there is one; without it
 * the size of the profile layer is estimated.
 */
export function layersOf(
  packages: readonly ComposePackage[],
  image: SystemImage | null,
): LayerFacts[] {
  const records = packages.map((each) => each.record);
  const levels = packages.map(({ record, made }) => (made ?? record).level);
  const { layers, small } = imageParts(records, levels);
  const made = new Map(
    packages.flatMap(({ record, made }) =>
      (made ?? record).layers.map((layer) => [layer.key, layer] as const),
    ),
  );
  const users = usersOf(packages);
  const shared = layers.map(({ key }, at): LayerFacts => {
    const layer = image?.layers[at] ?? made.get(key);
    return {
      keys: [key],
      digest: layer?.digest ?? null,
      size: layer?.size ?? 0,
      packages: users.get(key) ?? [],
      own: false,
    };
  });
  const profile = image?.layers.at(-1);
  const parts = small.reduce((sum, { key }) => sum + (made.get(key)?.size ?? 0), 0);
  return [
    ...shared,
    {
      keys: small.map(({ key }) => key),
      digest: profile?.digest ?? null,
      size: profile?.size ?? LINKS_BYTES + parts,
      packages: [],
      own: true,
    },
  ];
}

/** Names of the packages that contain each part, by layer key. */
function usersOf(packages: readonly ComposePackage[]): Map<string, string[]> {
  const users = new Map<string, string[]>();
  for (const { record, made } of packages)
    for (const number of record.levels[(made ?? record).level] ?? []) {
      const key = record.parts[number]?.key;
      if (key !== undefined) users.set(key, [...(users.get(key) ?? []), record.name]);
    }
  return users;
}

export interface Amount {
  readonly layers: number;
  /** Compressed, bytes. */
  readonly size: number;
}

/**
 * What a client that has the layers of another image downloads for this one, and what it already
 * has.
 */
export function moved(
  layers: readonly LayerFacts[],
  has: readonly LayerFacts[],
): { readonly moved: Amount; readonly kept: Amount } {
  const digests = new Set(has.map(({ digest }) => digest).filter((digest) => digest !== null));
  const isThere = ({ digest }: LayerFacts): boolean => digest !== null && digests.has(digest);
  return {
    moved: amountOf(layers.filter((layer) => !isThere(layer))),
    kept: amountOf(layers.filter(isThere)),
  };
}

/** Number and total size of layers. */
export const amountOf = (layers: readonly LayerFacts[]): Amount => ({
  layers: layers.length,
  size: layers.reduce((sum, { size }) => sum + size, 0),
});
