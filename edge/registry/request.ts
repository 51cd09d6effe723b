/**
 * What a path names: an image, and a tag or digest (distribution spec 1.1, "Pulling manifests").
 * Names and references contain no character that needs encoding, but some clients write
 * `sha256%3A…`.
 */
import type { IRequestStrict } from "itty-router";
import { type Digest, isDigest } from "../contract/digest.ts";
import { digestInvalid, manifestUnknown } from "../pull/errors.ts";
import {
  type Aliases,
  type ImageRequest,
  type NameParts,
  parseImageName,
  splitImageName,
  TAG_PATTERN,
} from "../contract/names.ts";

export type Reference =
  | { readonly kind: "tag"; readonly tag: string }
  | { readonly kind: "digest"; readonly digest: Digest };

/** How much of a wrong tag or digest is repeated in the error, characters. */
const SHOWN = 200;

/** The route's `:name`, validated, and its parts. Throws NAME_INVALID (400). */
export function requestedName({ params }: Pick<IRequestStrict, "params">): NameParts & {
  readonly name: string;
} {
  const name = decode(params["name"]);
  return { name, ...splitImageName(name) };
}

/**
 * The image of the route's `:name`, once `authorize` knows its aliases. Throws NAME_INVALID (400).
 */
export function requestedImage({
  params,
  aliases,
}: Pick<IRequestStrict, "params"> & { readonly aliases?: Aliases }): ImageRequest {
  return parseImageName(decode(params["name"]), aliases);
}

/**
 * The tag or digest of the route's `:reference`. Throws DIGEST_INVALID (400), and MANIFEST_UNKNOWN
 * (404) for an invalid tag: the spec's conformance tests before 1.1 ask for
 * `.INVALID_MANIFEST_NAME` and accept only a 404.
 */
export function requestedReference({ params }: Pick<IRequestStrict, "params">): Reference {
  const text = decode(params["reference"]);
  // A tag has no colon and a digest has one.
  return text.includes(":")
    ? { kind: "digest", digest: parseDigest(text) }
    : { kind: "tag", tag: parseTag(text) };
}

/** The digest of the route's `:digest`. Throws DIGEST_INVALID (400). */
export function requestedDigest({ params }: Pick<IRequestStrict, "params">): Digest {
  return parseDigest(decode(params["digest"]));
}

function parseTag(text: string): string {
  if (TAG_PATTERN.test(text)) return text;
  const tag = text.slice(0, SHOWN);
  throw manifestUnknown(
    `the tag "${tag}" is not valid, so no image has it: a tag is 1 to 128 letters, digits, "_", ` +
      `"." or "-", and does not begin with "." or "-"`,
    { tag, rule: TAG_PATTERN.source },
  );
}

function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  const digest = text.slice(0, SHOWN);
  throw digestInvalid(
    `the digest "${digest}" is not valid: a digest is "sha256:" and 64 lower-case hex digits`,
    { digest },
  );
}

/**
 * A decoded path parameter. If its encoding is broken it stays as it is, for the grammar to refuse.
 */
function decode(parameter: string | undefined): string {
  const text = parameter ?? "";
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
