/**
 * Which artifacts refer to a manifest (in the formats of cosign's specs), and which are found only
 * by a tag:
 *
 *   subject             referrers                                            tags
 *   a manifest          SBOM                     application/spdx+json       sha256-….sbom
 *                       provenance               application/vnd.in-toto+json
 *   with SIGNING_KEY    signature                cosign's, simple signing    sha256-….sig
 *                       signature, SBOM and provenance as bundles            sha256-….att
 *   an index, with it   signature and its bundle                             sha256-….sig
 *
 * All of it is derived from records and closures, to the same bytes at any time.
 *
 * BuildKit instead puts its attestations into the index, as manifests of the platform
 * unknown/unknown, and `docker buildx imagetools inspect` shows SBOM and provenance only from there
 * (its loader does not ask for referrers; `imagetools create` does, for artifacts of BuildKit's own
 * type). Firn does not do that: an index would contain the digests of documents. Then every pull of
 * an index would first read the closures of all its packages, an image whose documents cannot be
 * made could not be pulled, and every digest would change with a document's format. Clients that
 * look for documents by referrers or by tag (oras, cosign, trivy) find them.
 */
import { canonicalJson } from "../contract/keys.ts";
import type { ComposedBlob as DerivedBlob } from "../compose/compose.ts";
import { ArtifactSet, blobOf, type SubjectArtifacts } from "./artifact-set.ts";
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

const SPDX = "application/spdx+json";
/** Cosign's media type for the same document (SBOM_SPEC.md). */
const COSIGN_SPDX = "text/spdx+json";
const SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json";
const COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";
const DSSE = "application/vnd.dsse.envelope.v1+json";
/** The annotation by which BuildKit and buildx tell predicate types of statements. */
const PREDICATE_ANNOTATION = "in-toto.io/predicate-type";
const SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature";
/**
 * Largest SBOM that is signed, bytes: with its statement, envelope and bundle it is in memory four
 * times. A larger one is served unsigned.
 */
const MAX_SIGNED_DOCUMENT = 4 * 2 ** 20;

/** The key that signs an image, and the name that it signs. */
export interface Signer {
  readonly key: SigningKey;
  /** Host and image name, as in the signature. */
  readonly reference: string;
}

/** The documents of an image for one system: its OCI and docker manifests share them. */
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

/** `spdx`: the SBOM of these contents. */
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

/** The artifacts that attach the documents to one manifest. */
export function documentArtifacts(
  subject: Subject,
  { spdx, provenance: origin, attestations }: Documents,
): SubjectArtifacts {
  const collected = new ArtifactSet(subject);
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

/**
 * A manifest's signature in cosign's format, as a referrer, under cosign's tag, and as a bundle.
 */
export function signatureArtifacts(subject: Subject, { key, reference }: Signer): SubjectArtifacts {
  const collected = new ArtifactSet(subject);
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
