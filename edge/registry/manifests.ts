/**
 * `GET|HEAD /v2/<name>/manifests/<reference>` (distribution spec, "Pulling manifests"). HEAD is GET
 * without its body, and starts a build just as GET does: docker asks by HEAD first.
 */
import type { IRequest } from "itty-router";
import { negotiate } from "./negotiation.ts";
import type { Digest } from "../contract/digest.ts";
import { manifestUnknown } from "../pull/errors.ts";
import { type ImageRequest, parseImageName } from "../contract/names.ts";
import { parseReference } from "./reference.ts";
import type { Env } from "../env.ts";
import { type Answer, answer, prepare, pathOf, rememberAnswer } from "./answers.ts";
import { countPull } from "../pull/demand.ts";
import { findImage } from "../pull/image.ts";
import { readManifest } from "../store/manifests.ts";
import { decoded } from "./path.ts";
import { openRegistry, type Registry } from "../pull/registry.ts";
import { warning } from "./warning.ts";

/**
 * By digest the bytes can never change. no-transform: a proxy that compresses takes Content-Length
 * away and weakens the ETag.
 */
const FOREVER = "public, max-age=31536000, immutable, no-transform";
/** A tag's meaning may; as long as an edge itself goes on without looking. */
const SHORT = "public, max-age=10, no-transform";

export async function manifests(
  request: IRequest,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const image = parseImageName(decoded(request.params["name"]));
  const reference = parseReference(decoded(request.params["reference"]));
  const registry = await openRegistry(request, env, ctx);
  const path = pathOf(request.url);
  const whole = request as unknown as Request;
  if (reference.kind === "digest") {
    const found = await byDigest(registry, reference.digest);
    rememberAnswer(path, null, found, Number.POSITIVE_INFINITY);
    return answer(whole, found);
  }
  const accept = request.headers.get("Accept") as string | null;
  const { found, until } = await byTag(registry, image, reference.tag, accept, request.url);
  rememberAnswer(path, { name: image.name, accept }, found, until);
  countPull(image.name, whole, env, ctx);
  return answer(whole, found);
}

async function byDigest(registry: Registry, digest: Digest): Promise<Answer> {
  const manifest = await readManifest(registry.bucket, digest);
  if (manifest === null)
    throw manifestUnknown(
      `there is no manifest ${digest} here: pull the image by its tag, and it is made`,
      { digest },
    );
  return prepare(manifest, digest, { "Cache-Control": FOREVER });
}

async function byTag(
  registry: Registry,
  image: ImageRequest,
  tag: string,
  accept: string | null,
  url: string,
): Promise<{ found: Answer; until: number }> {
  const blobUrl = (digest: string): string =>
    `${new URL(url).origin}/v2/${image.name}/blobs/${digest}`;
  const { record, until, warning: words } = await findImage(registry, image, tag, blobUrl);
  const offers = Object.keys(record.manifests);
  const mediaType = negotiate(accept, offers);
  const descriptor = mediaType === null ? undefined : record.manifests[mediaType];
  if (descriptor === undefined)
    throw manifestUnknown(
      `none of the manifest types that this image has is accepted: ${offers.join(", ")}`,
      { accept: accept?.slice(0, 1_000), offers },
    );
  const manifest = await readManifest(registry.bucket, descriptor.digest);
  if (manifest === null)
    throw new Error(`the manifest ${descriptor.digest} of an image record is not in the bucket`);
  const found = prepare(manifest, descriptor.digest, {
    "Cache-Control": SHORT,
    "Firn-Revision": record.revision,
    Vary: "Accept",
    ...(words === undefined ? {} : { Warning: warning(words) }),
  });
  return { found, until };
}
