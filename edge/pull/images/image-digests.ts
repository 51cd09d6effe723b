/**
 * The digests of everything that is derived from an image record: configs, manifests, indexes, and
 * the profile layers.
 */
import { describeImage, indexName, recordIndexes } from "../../compose/texts.ts";
import type { Digest } from "../../contract/digest.ts";
import { type ImageRecord, type System, systemsOf } from "../../contract/records.ts";

/** The digests of an image for one system. */
interface ImageDigests {
  readonly config: Digest;
  readonly oci: Digest;
  readonly docker: Digest;
  readonly zstd: Digest | undefined;
  readonly profile: Digest | undefined;
}

/** Every digest that is derived from a record. */
export interface RecordDigests {
  readonly images: ReadonlyMap<System, ImageDigests>;
  /** By indexName (compose/texts.ts). */
  readonly indexes: ReadonlyMap<string, { readonly oci: Digest; readonly docker: Digest }>;
  /** In the order of the record's path. */
  readonly all: readonly Digest[];
}

/** Computed once for each record in memory. */
const derived = new WeakMap<ImageRecord, RecordDigests>();

/** The digests of a record. */
export function digestsOf(record: ImageRecord): RecordDigests {
  let digests = derived.get(record);
  if (digests === undefined) derived.set(record, (digests = deriveDigests(record)));
  return digests;
}

/** The record's index of these systems, if it has one. */
export const indexOf = (record: ImageRecord, systems: readonly System[]) =>
  digestsOf(record).indexes.get(indexName(systems));

function deriveDigests(record: ImageRecord): RecordDigests {
  const images = new Map<System, ImageDigests>();
  for (const system of systemsOf(record)) {
    const image = record.images[system];
    if (image === undefined) continue;
    const { config, oci, docker, zstd } = describeImage(image);
    images.set(system, {
      config: config.digest,
      oci: oci.digest,
      docker: docker.digest,
      zstd: zstd?.digest,
      profile: image.layers.at(-1)?.digest,
    });
  }
  const indexes = new Map(
    Array.from(recordIndexes(record), ([name, { oci, docker }]) => [
      name,
      { oci: oci.digest, docker: docker.digest },
    ]),
  );
  const all = [...images.values(), ...indexes.values()].flatMap((digests) =>
    Object.values(digests).filter((digest) => digest !== undefined),
  );
  return { images, indexes, all };
}
