/**
 * Builds the artifacts of one subject: their manifests (OCI image spec 1.1, "Guidelines for
 * Artifact Usage"), the list of referrers, and cosign's tags.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../contract/digest.ts";
import { canonicalJson } from "../contract/keys.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../contract/media-types.ts";
import type { ComposedBlob as DerivedBlob } from "../compose/compose.ts";
import { CREATED } from "../compose/config.ts";
import { BUNDLE } from "./envelopes.ts";
import type { Subject } from "./subjects.ts";

const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";

/** Cosign's tags by what follows `sha256-<hex>.` in them. */
const TAG_SUFFIXES = ["sig", "att", "sbom"] as const;
export type TagSuffix = (typeof TAG_SUFFIXES)[number];

/** The descriptor of an artifact in the list of referrers. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** All artifacts of one subject. */
export interface SubjectArtifacts {
  readonly subject: Digest;
  readonly referrers: readonly Referrer[];
  readonly tags: Readonly<Partial<Record<TagSuffix, Digest>>>;
  /** The artifacts' manifests, by digest. */
  readonly manifests: readonly DerivedBlob[];
  /** Their blobs. */
  readonly blobs: readonly DerivedBlob[];
}

/**
 * The empty config, `{}`, of artifacts that need none (OCI image spec, "Guidance for an Empty
 * Descriptor").
 */
export const EMPTY = blobOf(EMPTY_TYPE, "{}");

interface ArtifactLayer {
  readonly blob: DerivedBlob;
  /** The media type in the manifest, where it differs from the blob's. */
  readonly mediaType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface NewArtifact {
  readonly artifactType: string;
  readonly configType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly layers: readonly ArtifactLayer[];
}

/** The artifacts of a subject while they are made. */
export class ArtifactSet {
  readonly #subject: Subject;
  readonly #referrers: Referrer[] = [];
  readonly #tags: Partial<Record<TagSuffix, Digest>> = {};
  readonly #manifests: DerivedBlob[] = [];
  readonly #blobs = new Map<Digest, DerivedBlob>();

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  refer(artifact: NewArtifact): Digest {
    const { mediaType, digest, size } = this.#subject;
    const annotations = {
      ...artifact.annotations,
      "org.opencontainers.image.created": CREATED,
    };
    const made = this.#manifest({
      artifactType: artifact.artifactType,
      config: { mediaType: artifact.configType ?? EMPTY_TYPE, ...descriptor(EMPTY) },
      layers: this.#layers(artifact.layers),
      subject: { mediaType, digest, size },
      annotations,
    });
    const { artifactType } = artifact;
    this.#referrers.push({
      mediaType: OCI_MANIFEST,
      ...descriptor(made),
      artifactType,
      annotations,
    });
    return made.digest;
  }

  bundle(predicateType: string, bundle: DerivedBlob): void {
    this.refer({
      artifactType: BUNDLE,
      annotations: {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicateType,
      },
      layers: [{ blob: bundle }],
    });
  }

  /** An artifact that is found by its tag alone. */
  tag(suffix: TagSuffix, layers: readonly ArtifactLayer[]): void {
    const config = { mediaType: EMPTY_TYPE, ...descriptor(EMPTY) };
    this.tagged(suffix, this.#manifest({ config, layers: this.#layers(layers) }).digest);
  }

  tagged(suffix: TagSuffix, digest: Digest): void {
    this.#tags[suffix] = digest;
  }

  all(): SubjectArtifacts {
    return {
      subject: this.#subject.digest,
      referrers: this.#referrers,
      tags: this.#tags,
      manifests: this.#manifests,
      blobs: [...this.#blobs.values()],
    };
  }

  #manifest(fields: object): DerivedBlob {
    const text = canonicalJson({ schemaVersion: 2, mediaType: OCI_MANIFEST, ...fields });
    const made = blobOf(OCI_MANIFEST, text);
    this.#manifests.push(made);
    return made;
  }

  #layers(layers: readonly ArtifactLayer[]) {
    return layers.map(({ blob, mediaType = blob.mediaType, annotations }) => {
      this.#blobs.set(blob.digest, blob);
      return { mediaType, ...descriptor(blob), ...(annotations && { annotations }) };
    });
  }
}

/** The list of referrers as an index; by type only those of one (distribution spec 1.1). */
export const referrersIndex = (referrers: readonly Referrer[], artifactType?: string | null) => ({
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: referrers.filter((each) => !artifactType || each.artifactType === artifactType),
});

const descriptor = ({ digest, size }: DerivedBlob) => ({ digest, size });

/** A text as a blob. */
export function blobOf(mediaType: string, text: string): DerivedBlob {
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, bytes };
}
