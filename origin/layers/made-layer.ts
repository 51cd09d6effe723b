/** What is known of a layer that is made: its blobs, and what is stated of them. Pure. */
import type { Upload } from "../../edge/contract/bucket-requests.ts";
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from "../../edge/contract/media-types.ts";
import { CODECS, type Layer, type LayerStatement, type Tree } from "../../edge/contract/records.ts";
import type { CodecName } from "./codecs.ts";
import type { KnownLayer } from "./known-layer.ts";
import type { PackedLayer } from "./pack.ts";

/** A layer whose blobs are in the bucket. */
export interface MadeLayer {
  readonly layer: Layer;
  /** What this origin states of it, where no record says so yet. */
  readonly statements: readonly LayerStatement[];
}

/** What is known of a layer: by records, and by this origin's own work where there is none. */
export interface Sources {
  readonly recorded: KnownLayer;
  readonly own: KnownLayer;
}

const MEDIA_TYPES: Record<CodecName, Upload["contentType"]> = {
  gzip: OCI_LAYER_GZIP,
  zstd: OCI_LAYER_ZSTD,
};

/** The blob of a statement, as it is uploaded. */
export const uploadOf = ({
  codec,
  digest,
  size,
}: Pick<LayerStatement, "codec" | "digest" | "size">): Upload => ({
  digest,
  size,
  contentType: MEDIA_TYPES[codec],
});

/** The trees of a bare layer, each with the bytes that its members have. */
export function withSizes(trees: PackedLayer["trees"], sizes: readonly number[]): Tree[] {
  let first = 0;
  return trees.map(({ name, members, tarSize }) => {
    const own = sizes.slice(first, (first += members));
    return { name, size: own.reduce((sum, bytes) => sum + bytes, 0), tarSize };
  });
}

/** The layer, from what records say about its blobs, or what this origin states. */
export function madeLayer({ recorded, own }: Sources): MadeLayer {
  const { gzip, zstd } = { ...recorded, ...own };
  if (gzip === undefined) throw new Error("a layer was made without its gzip blob");
  const { key, digest, size, diffId, trees } = gzip;
  const descriptor = zstd && { digest: zstd.digest, size: zstd.size };
  return {
    layer: {
      key,
      digest,
      size,
      diffId,
      ...(descriptor && { zstd: descriptor }),
      ...(trees && { trees }),
    },
    statements: CODECS.flatMap((codec) => own[codec] ?? []),
  };
}

/**
 * The same NAR hashes must give the same tar: anything else is a store that was tampered with, or a
 * fault of ours that must not spread.
 */
export function requireSameTar({ key, diffId: known }: LayerStatement, diffId: string): void {
  if (known !== diffId)
    throw new Error(
      `layer ${key} is ${known} in the bucket and ${diffId} from this store: is this store ` +
        `damaged? \`nix-store --verify --check-contents\` tells`,
    );
}
