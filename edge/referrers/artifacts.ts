/**
 * The artifacts that refer to a manifest (OCI image spec 1.1, "Guidelines for Artifact Usage"; the
 * formats of cosign's specs), and those that are found by a tag alone:
 *
 *   subject             referrers                                            tags
 *   a manifest          SBOM                     application/spdx+json       sha256-….sbom
 *                       provenance               application/vnd.in-toto+json
 *   with SIGNING_KEY    signature                cosign's, simple signing    sha256-….sig
 *                       signature, SBOM and provenance as bundles            sha256-….att
 *   an index, with it   signature and its bundle                             sha256-….sig
 *
 * All of it is derived from records and closures, the same bytes at any time.
 */
import { createHash } from "node:crypto";
import type { Digest } from "../contract/digest.ts";
import { canonicalJson } from "../contract/keys.ts";
import { OCI_INDEX, OCI_MANIFEST } from "../contract/media-types.ts";
import type { ComposedBlob as DerivedBlob } from "../compose/compose.ts";
import { CREATED } from "../compose/config.ts";
import type { ImageContents } from "./contents.ts";
import {
  BUNDLE,
  bundleOf,
  dsseEnvelope,
  type Envelope,
  IN_TOTO,
  SIGN_PREDICATE,
  simpleSigning,
} from "./envelopes.ts";
import { base64 } from "./base64.ts";
import { provenance, SLSA_PREDICATE, SPDX_PREDICATE, statement } from "./provenance.ts";
import type { SigningKey } from "./signing-key.ts";
import type { Subject, SystemSubjects } from "./subjects.ts";

const EMPTY_TYPE = "application/vnd.oci.empty.v1+json";
const SPDX = "application/spdx+json";
/** What cosign calls the same (SBOM_SPEC.md). */
const COSIGN_SPDX = "text/spdx+json";
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";
const DSSE = "application/vnd.dsse.envelope.v1+json";
/** Where BuildKit says which predicate a statement has. */
const PREDICATE_ANNOTATION = "in-toto.io/predicate-type";
const SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature";
/**
 * Largest bill of materials that is signed, bytes: in its statement, its envelope and its bundle it
 * is in memory four times. The document alone is not.
 */
const MAX_SIGNED_DOCUMENT = 4 * 2 ** 20;

/** Cosign's tags by what follows `sha256-<hex>.` in them. */
const TAG_SUFFIXES = ["sig", "att", "sbom"] as const;
export type TagSuffix = (typeof TAG_SUFFIXES)[number];

/** What the list of referrers says of an artifact. */
export interface Referrer {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/** What there is of one subject. */
export interface SubjectArtifacts {
  readonly subject: Digest;
  readonly referrers: readonly Referrer[];
  readonly tags: Readonly<Partial<Record<TagSuffix, Digest>>>;
  /** The artifacts' manifests, by digest. */
  readonly manifests: readonly DerivedBlob[];
  /** Their blobs. */
  readonly blobs: readonly DerivedBlob[];
}

/** Whom an image is signed as, and with what. */
export interface Signer {
  readonly key: SigningKey;
  /** The name that the signature is good for: host and image name. */
  readonly reference: string;
}

/** The blob of configs that say nothing. */
export const EMPTY = blobOf(EMPTY_TYPE, "{}");

/** What all manifests of an image for one system have in common. */
export interface Documents {
  readonly spdx: DerivedBlob;
  readonly provenance: DerivedBlob;
  /** Signed, by predicate type; without a key none. */
  readonly attestations: readonly Attestation[];
}

interface Attestation {
  readonly predicateType: string;
  readonly envelope: DerivedBlob;
  readonly bundle: DerivedBlob;
}

/** `spdx`: the document of these contents. */
export function documentsOf(
  contents: ImageContents,
  { manifests }: SystemSubjects,
  spdx: string,
  key: SigningKey | null,
): Documents {
  const { name } = contents;
  const origin = statement(name, manifests, SLSA_PREDICATE, provenance(contents));
  const document = blobOf(SPDX, spdx);
  const attested: (readonly [string, () => string])[] = [[SLSA_PREDICATE, () => origin]];
  if (document.size <= MAX_SIGNED_DOCUMENT)
    attested.push([
      SPDX_PREDICATE,
      () => statement(name, manifests, SPDX_PREDICATE, JSON.parse(spdx)),
    ]);
  return {
    spdx: document,
    provenance: blobOf(IN_TOTO, origin),
    attestations:
      key === null
        ? []
        : attested.map(([predicateType, text]) =>
            attestation(predicateType, dsseEnvelope(text(), key), key),
          ),
  };
}

/** The artifacts of a manifest that hold the documents of its image. */
export function documentArtifacts(
  subject: Subject,
  { spdx, provenance: origin, attestations }: Documents,
): SubjectArtifacts {
  const collected = new Collected(subject);
  collected.refer({ artifactType: SPDX, layers: [{ blob: spdx }] });
  collected.refer({
    artifactType: IN_TOTO,
    annotations: { [PREDICATE_ANNOTATION]: SLSA_PREDICATE },
    layers: [{ blob: origin, annotations: { [PREDICATE_ANNOTATION]: SLSA_PREDICATE } }],
  });
  for (const { predicateType, bundle } of attestations) collected.bundle(predicateType, bundle);
  collected.tag("sbom", [{ blob: spdx, mediaType: COSIGN_SPDX }]);
  if (attestations.length > 0)
    collected.tag(
      "att",
      attestations.map(({ predicateType, envelope }) => ({
        blob: envelope,
        annotations: { [SIGNATURE_ANNOTATION]: "", predicateType },
      })),
    );
  return collected.all();
}

/** A manifest's signature as cosign has it, found as a referrer and by its tag, and as a bundle. */
export function signatureArtifacts(subject: Subject, { key, reference }: Signer): SubjectArtifacts {
  const collected = new Collected(subject);
  const text = simpleSigning(reference, subject.digest);
  const payload = blobOf(SIMPLE_SIGNING, text);
  const signature = base64(key.sign(payload.bytes));
  const digest = collected.refer({
    artifactType: COSIGN_SIGNATURE,
    configType: COSIGN_SIGNATURE,
    layers: [{ blob: payload, annotations: { [SIGNATURE_ANNOTATION]: signature } }],
  });
  collected.tagged("sig", digest);
  const signed = statement(reference, [subject], SIGN_PREDICATE, {});
  collected.bundle(
    SIGN_PREDICATE,
    attestation(SIGN_PREDICATE, dsseEnvelope(signed, key), key).bundle,
  );
  return collected.all();
}

const attestation = (predicateType: string, envelope: Envelope, key: SigningKey): Attestation => ({
  predicateType,
  envelope: blobOf(DSSE, canonicalJson(envelope)),
  bundle: blobOf(BUNDLE, bundleOf(envelope, key)),
});

interface ArtifactLayer {
  readonly blob: DerivedBlob;
  /** Another one than the blob's. */
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
class Collected {
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

export function blobOf(mediaType: string, text: string): DerivedBlob {
  const bytes = new Uint8Array(new TextEncoder().encode(text));
  const digest: Digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { mediaType, digest, size: bytes.length, bytes };
}
