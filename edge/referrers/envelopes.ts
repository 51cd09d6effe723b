/**
 * The formats in which tools expect signatures:
 *
 *   simple signing   cosign's payload of an image's signature (SIGNATURE_SPEC.md)
 *   DSSE             an in-toto statement with its signature (secure-systems-lab/dsse, envelope.md)
 *   bundle           a DSSE envelope as cosign 3 stores it (BUNDLE_SPEC.md, sigstore_bundle.proto)
 */
import type { Digest } from "../contract/digest.ts";
import { canonicalJson } from "../contract/keys.ts";
import { base64 } from "./base64.ts";
import type { SigningKey } from "./signing-key.ts";

export const IN_TOTO = "application/vnd.in-toto+json";
export const BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
/** Predicate type of a cosign bundle that signs an image without a statement about it. */
export const SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";

const encoder = new TextEncoder();

/** The payload of an image's signature. `reference`: the name that the image is signed under. */
export const simpleSigning = (reference: string, digest: Digest): string =>
  canonicalJson({
    critical: {
      identity: { "docker-reference": reference },
      image: { "docker-manifest-digest": digest },
      type: "cosign container image signature",
    },
    optional: {},
  });

/** A statement in its envelope. */
export function dsseEnvelope(text: string, key: SigningKey) {
  const payload = encoder.encode(text);
  // DSSE signs this "pre-authentication encoding" of the payload.
  const head = encoder.encode(`DSSEv1 ${IN_TOTO.length} ${IN_TOTO} ${payload.length} `);
  const signed = new Uint8Array(head.length + payload.length);
  signed.set(head);
  signed.set(payload, head.length);
  return {
    payloadType: IN_TOTO,
    payload: base64(payload),
    signatures: [{ keyid: "", sig: base64(key.sign(signed)) }],
  };
}

export type Envelope = ReturnType<typeof dsseEnvelope>;

/** A bundle for verifiers that have the public key already; `hint`, its hash, tells them which. */
export const bundleOf = ({ payloadType, payload, signatures }: Envelope, key: SigningKey): string =>
  canonicalJson({
    mediaType: BUNDLE,
    verificationMaterial: { publicKey: { hint: key.hint }, tlogEntries: [] },
    dsseEnvelope: {
      payloadType,
      payload,
      signatures: signatures.map(({ sig }) => ({ sig })),
    },
  });
