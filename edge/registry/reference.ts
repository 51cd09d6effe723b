/**
 * What stands after `/manifests/` and `/blobs/`: a tag or a digest (distribution spec 1.1, "Pulling
 * manifests").
 */
import { type Digest, isDigest } from "../contract/digest.ts";
import { digestInvalid, tagInvalid } from "../pull/errors.ts";

export type Reference =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "digest"; readonly digest: Digest };

/** The spec's `<reference>` grammar for tags. */
const TAG = /^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/;
/** How much of what was sent an error shows, characters. */
const SHOWN = 200;

/** A tag has no colon and a digest has one. Throws TAG_INVALID or DIGEST_INVALID (400). */
export function parseReference(text: string): Reference {
  return text.includes(":")
    ? { kind: "digest", digest: parseDigest(text) }
    : { kind: "tag", tag: parseTag(text) };
}

/** Throws a RegistryError TAG_INVALID (400). */
export function parseTag(text: string): string {
  if (TAG.test(text)) return text;
  const tag = text.slice(0, SHOWN);
  throw tagInvalid(
    `the tag "${tag}" is not valid: 1 to 128 letters, digits, "_", "." and "-", and neither "." nor "-" first`,
    { tag, rule: TAG.source },
  );
}

/** Throws a RegistryError DIGEST_INVALID (400). */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const digest = text.slice(0, SHOWN);
  throw digestInvalid(
    `the digest "${digest}" is not valid: every digest here is "sha256:" and 64 lower-case hex digits`,
    { digest },
  );
}
