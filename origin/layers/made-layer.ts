/** A layer that is made: its blobs, and the statements about them. Pure. */
import type { Upload } from "../../edge/contract/bucket-requests.ts";
import { OCI_LAYER_GZIP, OCI_LAYER_ZSTD } from "../../edge/contract/media-types.ts";
import { CODECS, type Layer, type LayerStatement, type Tree } from "../../edge/contract/records.ts";
import type { CodecName } from "./codecs.ts";
import type { KnownLayer } from "./known-layer.ts";
import type { PackedLayer } from "./pack.ts";

/** A layer whose blobs are in the bucket. */
export interface MadeLayer {
  readonly layer: Layer;
  /** This origin's statements, for codecs of which there is no record yet. */
  readonly statements: readonly LayerStatement[];
}

/** Statements about a layer: those of records, and this origin's own where there is no record. */
export interface Sources {
  readonly recorded: KnownLayer;
  readonly own: KnownLayer;
}

const MEDIA_TYPES: Record<CodecName, Upload["contentType"]> = {
  gzip: OCI_LAYER_GZIP,
  zstd: OCI_LAYER_ZSTD,
};

/** The upload of a statement's blob. */
export const uploadOf = ({
  codec,
  digest,
  size,
}: Pick<LayerStatement, "codec" | "digest" | "size">): Upload => ({
  digest,
  size,
  contentType: MEDIA_TYPES[codec],
});

/** The trees of a bare layer with the compressed size of each. `sizes`: those of all members. */
export function withSizes(trees: PackedLayer["trees"], sizes: readonly number[]): Tree[] {
  let first = 0;
  return trees.map(({ name, members, tarSize }) => {
    const own = sizes.slice(first, (first += members));
    return { name, size: own.reduce((sum, bytes) => sum + bytes, 0), tarSize };
  });
}

/** The layer by these statements. Throws an Error when there is none about gzip. */
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
 * Throws an Error when a layer's tar is not that of the record, which means that this machine's
 * store is damaged: the same NAR hashes give the same tar.
 */
export function requireSameTar({ key, diffId: known }: LayerStatement, diffId: string): void {
  if (known !== diffId)
    throw new Error(
      `layer ${key} has diffId ${known} in the bucket and ${diffId} on this machine, whose Nix ` +
        `store may be damaged: run nix-store --verify --check-contents`,
    );
}
