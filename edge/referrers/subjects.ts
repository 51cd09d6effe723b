/** The subjects of an image: the manifests and indexes that artifacts can refer to. */
import { recordTexts } from "../compose/texts.ts";
import type { Scope } from "../contract/keys.ts";
import type { Descriptor, ImageRecord } from "../contract/records.ts";

/** A manifest of an image. */
export interface Subject extends Descriptor {
  readonly mediaType: string;
}

/** An image for one system, with all its manifests: OCI's, docker's, and OCI's with zstd. */
export interface SystemSubjects {
  readonly scope: Scope;
  /** The config that all of the manifests have: docker calls its digest the image's ID. */
  readonly config: Descriptor;
  readonly manifests: readonly Subject[];
}

export interface RecordSubjects {
  readonly systems: readonly SystemSubjects[];
  /** The indexes over them, to which only signatures refer. */
  readonly indexes: readonly Subject[];
}

/** Every manifest of an image, from its record. */
export function subjectsOf(record: ImageRecord): RecordSubjects {
  const { packageSet, revision, plan } = record;
  const { images, indexes } = recordTexts(record);
  return {
    systems: Array.from(images, ([system, { config, oci, docker, zstd }]) => ({
      scope: { packageSet, revision, system, plan },
      config: { digest: config.digest, size: config.size },
      manifests: [oci, docker, ...(zstd ? [zstd] : [])].map(subject),
    })),
    indexes: [...indexes.values()].flatMap(({ oci, docker }) => [subject(oci), subject(docker)]),
  };
}

const subject = ({ mediaType, digest, size }: Subject): Subject => ({ mediaType, digest, size });
