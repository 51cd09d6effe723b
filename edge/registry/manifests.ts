/**
 * `GET|HEAD /v2/<name>/manifests/<reference>` (distribution spec, "Pulling manifests"). HEAD is GET
 * without its body, and starts a build just as GET does: docker sends HEAD first.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { manifestUnknown } from "../pull/errors.ts";
import { type ImageRequest, PACKAGES_LABEL } from "../contract/names.ts";
import type { ImageRecord } from "../contract/records.ts";
import { countPull } from "../pull/demand.ts";
import { findImage } from "../pull/image.ts";
import { checkAllowed } from "../pull/permission.ts";
import { type Context, openContext } from "../pull/context.ts";
import { readManifest } from "../store/manifests.ts";
import {
  type Answer,
  manifestAnswer,
  rememberByDigest,
  rememberByTag,
  respond,
} from "./answers.ts";
import { IMMUTABLE, warning } from "./headers.ts";
import { negotiate } from "./negotiation.ts";
import { requestedImage, requestedReference } from "./request.ts";

/** Cache-Control by tag, which may come to mean another manifest. */
const SHORT = "public, max-age=10, no-transform";
/** How much of an Accept header an error repeats, characters. */
const SHOWN_ACCEPT = 1_000;

export async function manifests(
  request: IRequestStrict,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const image = requestedImage(request);
  const reference = requestedReference(request);
  const context = await openContext(request, env, ctx);
  if (reference.kind === "digest") {
    checkAllowed(context, image);
    const answer = await byDigest(context, reference.digest);
    const counted = isManifestOf(answer, image) ? image.name : null;
    rememberByDigest(request, answer, counted);
    if (counted !== null) countPull(counted, request, env, ctx);
    return respond(request, answer);
  }
  const answer = await byTag(context, image, reference.tag, request.headers.get("Accept"));
  rememberByTag(request, answer, image.name);
  countPull(image.name, request, env, ctx);
  return respond(request, answer);
}

/**
 * Whether a manifest is of the image that the path names: a digest can be asked for under any name,
 * and a pull is counted for the packages of its name. Docker's own manifests do not say what they
 * are of.
 */
function isManifestOf({ bytes }: Answer, { names }: ImageRequest): boolean {
  const { annotations } = JSON.parse(new TextDecoder().decode(bytes)) as {
    annotations?: Record<string, string>;
  };
  return annotations?.[PACKAGES_LABEL] === names.join(",");
}

async function byDigest({ bucket }: Context, digest: Digest): Promise<Answer> {
  const manifest = await readManifest(bucket, digest);
  if (manifest === null)
    throw manifestUnknown(
      `there is no manifest ${digest} in this registry: pull the image by its tag, and it is made`,
      { digest },
    );
  return manifestAnswer(manifest, digest, { "Cache-Control": IMMUTABLE });
}

async function byTag(
  context: Context,
  image: ImageRequest,
  tag: string,
  accept: string | null,
): Promise<Answer> {
  let found = await findImage(context, image, tag);
  let digest = acceptedManifest(accept, found.record);
  let manifest = await readManifest(context.bucket, digest);
  if (manifest === null) {
    found = await findImage(context, image, tag, { anew: true });
    digest = acceptedManifest(accept, found.record);
    manifest = await readManifest(context.bucket, digest);
  }
  if (manifest === null) throw new Error(`the manifest ${digest} cannot be read back`);
  return manifestAnswer(manifest, digest, {
    "Cache-Control": SHORT,
    "Firn-Revision": found.record.revision,
    Vary: "Accept",
    ...(found.warning === undefined ? {} : { Warning: warning(found.warning) }),
  });
}

/** The image's manifest that the client prefers. Throws MANIFEST_UNKNOWN (404). */
function acceptedManifest(accept: string | null, { manifests }: ImageRecord): Digest {
  const offers = Object.keys(manifests);
  const accepted = manifests[negotiate(accept, offers) ?? ""];
  if (accepted !== undefined) return accepted.digest;
  throw manifestUnknown(
    `this image has manifests of the types ${offers.join(" and ")}, and the request accepts none of them`,
    { accept: accept?.slice(0, SHOWN_ACCEPT), offers },
  );
}
