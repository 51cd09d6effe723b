/**
 * The layers of an image, from the records of its packages, whether it was composed or not; and
 * what a client that has some of them still downloads. Pure.
 */
import type { ComposePackage } from "../compose/compose.ts";
import { imageParts } from "../contract/levels.ts";
import type { Digest } from "../contract/digest.ts";
import type { SystemImage } from "../contract/records.ts";

export interface LayerFacts {
  /** Layer keys: of the layer, or of the parts that the image's own layer holds. */
  readonly keys: readonly string[];
  /** Null for the image's own layer before it is composed. */
  readonly digest: Digest | null;
  /** Compressed, bytes. */
  readonly size: number;
  /** Names of the packages whose closures have it, sorted; none for the image's own. */
  readonly packages: readonly string[];
  readonly own: boolean;
}

/** Rough size of the links and texts in an image's own layer, compressed, bytes. */
const LINKS_BYTES = 8_000;

/**
 * Bottom first; the last is the image's own. `image`: as it was composed, if it was; without
 * one the size of its own layer is estimated.
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

/** Names of the packages that each part belongs to, by layer key. */
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
 * What a client that has the layers of another image downloads for this one, and what it has
 * already.
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

export const amountOf = (layers: readonly LayerFacts[]): Amount => ({
  layers: layers.length,
  size: layers.reduce((sum, { size }) => sum + size, 0),
});
