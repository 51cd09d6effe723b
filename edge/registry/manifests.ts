/**
 * `GET|HEAD /v2/<name>/manifests/<reference>` (distribution spec, "Pulling manifests"). HEAD is GET
 * without its body, and starts a build just as GET does: docker sends HEAD first.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { manifestUnknown } from "../pull/errors.ts";
import type { ImageRequest } from "../contract/names.ts";
import type { ImageRecord } from "../contract/records.ts";
import { countPull } from "../pull/demand.ts";
import { findImage } from "../pull/image.ts";
import { checkAllowed } from "../pull/permission.ts";
import { type Context, openContext } from "../pull/context.ts";
import { derivedManifest, imageNameOf, manifestOf } from "../pull/derived.ts";
import {
  type Answer,
  manifestAnswer,
  rememberByDigest,
  rememberByTag,
  respond,
} from "./answers.ts";
import { IMMUTABLE, warningValues } from "./headers.ts";
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
    const answer = await byDigest(context, image, reference.digest);
    rememberByDigest(request, answer, image.name);
    countPull(image.name, request, env, ctx);
    return respond(request, answer);
  }
  const answer = await byTag(context, image, reference.tag, request.headers.get("Accept"));
  rememberByTag(request, answer, image.name);
  countPull(image.name, request, env, ctx);
  return respond(request, answer);
}

async function byDigest(context: Context, image: ImageRequest, digest: Digest): Promise<Answer> {
  const manifest = await derivedManifest(context, imageNameOf(context, image), digest);
  if (manifest === null)
    throw manifestUnknown(`the image ${image.name} has no manifest ${digest}: pull it by its tag`, {
      digest,
    });
  return manifestAnswer(manifest, digest, { "Cache-Control": IMMUTABLE });
}

async function byTag(
  context: Context,
  image: ImageRequest,
  tag: string,
  accept: string | null,
): Promise<Answer> {
  const record = await findImage(context, image, tag);
  const digest = acceptedManifest(accept, record);
  const manifest = manifestOf(imageNameOf(context, image), record, digest);
  if (manifest === null) throw new Error(`the image record has no manifest ${digest}`);
  const answer = manifestAnswer(manifest, digest, {
    "Cache-Control": SHORT,
    "Firn-Revision": record.revision,
    Vary: "Accept",
  });
  for (const value of warningValues(context.warnings)) answer.headers.append("Warning", value);
  return answer;
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
