/**
 * `GET|HEAD /v2/<name>/referrers/<digest>` (distribution spec 1.1, "Listing Referrers"), and the
 * tags under which older clients look for the same: the spec's fallback `sha256-<hex>`, and
 * cosign's `sha256-<hex>.sig`, `.att` and `.sbom`.
 */
import type { IRequestStrict } from "itty-router";
import type { Digest } from "../contract/digest.ts";
import { OCI_INDEX } from "../contract/media-types.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { Env } from "../env.ts";
import { type Context, openContext } from "../pull/context.ts";
import { manifestUnknown } from "../pull/errors.ts";
import { checkAllowed } from "../pull/permission.ts";
import { blobOf, referrersIndex, type TagSuffix } from "../referrers/artifact-set.ts";
import type { Part } from "../referrers/derive.ts";
import { findArtifact, findReferrers } from "../referrers/find.ts";
import { type Answer, manifestAnswer, respond } from "./answers.ts";
import { IMMUTABLE } from "./headers.ts";
import { requestedDigest, requestedImage } from "./request.ts";

/** The list may grow: when SIGNING_KEY is set, or closures can be read again. */
const SHORT = "public, max-age=60, no-transform";
/** The distribution spec's "Referrers Tag Schema", and cosign's tags. */
const TAG = /^sha256-([0-9a-f]{64})(?:\.(sig|att|sbom))?$/;

/** What a tag is derived from: a signature needs only the manifest. */
const PARTS_OF_TAG: Readonly<Record<string, readonly Part[]>> = {
  sig: ["signatures"],
  att: ["documents"],
  sbom: ["documents"],
};

/** An unknown digest has no referrers; that is not an error. */
export async function referrers(
  request: IRequestStrict,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const image = requestedImage(request);
  const digest = requestedDigest(request);
  const context = await openContext(request, env, ctx);
  checkAllowed(context, image);
  const artifactType = new URL(request.url).searchParams.get("artifactType") || null;
  const found = await findReferrers(context, image, digest);
  const index = blobOf(
    OCI_INDEX,
    JSON.stringify(referrersIndex(found?.referrers ?? [], artifactType)),
  );
  const answer = manifestAnswer(index, index.digest, {
    "Cache-Control": SHORT,
    ...(artifactType === null ? {} : { "OCI-Filters-Applied": "artifactType" }),
  });
  // The answer is not a manifest, so nothing can be found under its digest.
  answer.headers.delete("Docker-Content-Digest");
  return respond(request, answer);
}

/** Whether a tag names what refers to a manifest, rather than a state of the package set. */
export const isReferrersTag = (tag: string): boolean => TAG.test(tag);

/** The answer to such a tag. Throws MANIFEST_UNKNOWN (404) when there is nothing. */
export async function byReferrersTag(
  context: Context,
  image: ImageRequest,
  tag: string,
): Promise<Answer> {
  const [, hex = "", suffix] = TAG.exec(tag) ?? [];
  const digest: Digest = `sha256:${hex}`;
  const found = await findReferrers(context, image, digest, PARTS_OF_TAG[suffix ?? ""]);
  const named = found && (suffix === undefined ? null : found.tags[suffix as TagSuffix]);
  if (found !== null && suffix === undefined) {
    const index = blobOf(OCI_INDEX, JSON.stringify(referrersIndex(found.referrers)));
    return manifestAnswer(index, index.digest, { "Cache-Control": SHORT });
  }
  const manifest = named ? await findArtifact(context, image, named) : null;
  if (manifest === null)
    throw manifestUnknown(
      found === null
        ? `the image ${image.name} has no manifest ${digest} that anything could refer to`
        : `there is no .${suffix} of the manifest ${digest}: ${absence(context, suffix)}`,
      { tag, digest },
    );
  return manifestAnswer(manifest, manifest.digest, { "Cache-Control": SHORT });
}

/** Why an image that is known has nothing of this kind. */
const absence = ({ config }: Context, suffix: string | undefined): string =>
  config.signingKey === null && suffix !== "sbom"
    ? "this registry does not sign images"
    : "it refers to the manifest of one platform, not to an index, and only where the image is " +
      "not too large to be described";

/** A manifest of an artifact, by its digest; null when there is none. */
export async function artifactManifest(
  context: Context,
  image: ImageRequest,
  digest: Digest,
): Promise<Answer | null> {
  const found = await findArtifact(context, image, digest);
  return found === null ? null : manifestAnswer(found, digest, { "Cache-Control": IMMUTABLE });
}
