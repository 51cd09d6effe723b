/**
 * `GET|HEAD /v2/<name>/manifests/<reference>` (distribution spec, "Pulling manifests"). HEAD is GET
 * without the body, and starts a build just as GET does: docker sends HEAD first.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { manifestUnknown } from "../pull/errors.ts";
import type { ImageRequest } from "../contract/names.ts";
import {
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  OCI_INDEX,
  OCI_MANIFEST,
} from "../contract/media-types.ts";
import { type ImageRecord, systemsOf } from "../contract/records.ts";
import { countPull } from "../pull/count-pulls.ts";
import { type Asked, findImage } from "../pull/images/find-image.ts";
import { digestsOf, indexOf } from "../pull/images/image-digests.ts";
import { isBroughtBack, notePull } from "../pull/images/last-pull.ts";
import { checkAllowed } from "../pull/permission.ts";
import type { WantedSystems } from "../pull/wanted-systems.ts";
import { type Context, openContext } from "../pull/context.ts";
import { derivedManifest, imageNameOf, manifestOf } from "../pull/images/derived-blobs.ts";
import {
  type Answer,
  manifestAnswer,
  rememberByDigest,
  rememberByTag,
  respond,
} from "./answers.ts";
import { IMMUTABLE, warningValues } from "./headers.ts";
import { lastingWarnings } from "./lasting-warnings.ts";
import { negotiate } from "./negotiation.ts";
import { type Client, lacking, otherMachine, wantedSystems } from "./platform.ts";
import { artifactManifest, byReferrersTag, isReferrersTag } from "./referrers.ts";
import { requestedImage, requestedReference } from "./request.ts";

/** Cache-Control for a tag, which may change to another manifest. */
const SHORT = "public, max-age=10, no-transform";
/** How much of an Accept header an error repeats, characters. */
const SHOWN_ACCEPT = 1_000;

/** Throws what findImage throws, DIGEST_INVALID (400) and MANIFEST_UNKNOWN (404). */
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
    if (answer === null) return respond(request, await artifact(context, image, reference.digest));
    rememberByDigest(request, answer, image.name);
    countPull(image.name, request, env, ctx);
    notePull(image.name, answer.digest, env, ctx);
    return respond(request, answer);
  }
  if (isReferrersTag(reference.tag)) {
    checkAllowed(context, image);
    return respond(request, await byReferrersTag(context, image, reference.tag));
  }
  const client = {
    pinned: image.pinned,
    accept: request.headers.get("Accept"),
    userAgent: request.headers.get("User-Agent"),
  };
  const answer = await byTag(context, { request: image, tag: reference.tag }, client);
  if (context.warnings.length === 0) rememberByTag(request, answer, image.name);
  countPull(image.name, request, env, ctx);
  notePull(image.name, answer.digest, env, ctx);
  return respond(request, answer);
}

/** Null when the image has no manifest with this digest. */
async function byDigest(
  context: Context,
  image: ImageRequest,
  digest: Digest,
): Promise<Answer | null> {
  const name = imageNameOf(context, image);
  let manifest = await derivedManifest(context, name, digest);
  if (manifest === null && (await isBroughtBack(context.env, name)))
    manifest = await derivedManifest(context, name, digest);
  return manifest && manifestAnswer(manifest, digest, { "Cache-Control": IMMUTABLE });
}

/**
 * The manifest of an artifact that refers to the image; it does not count as a pull. Throws
 * MANIFEST_UNKNOWN (404).
 */
async function artifact(context: Context, image: ImageRequest, digest: Digest): Promise<Answer> {
  const answer = await artifactManifest(context, image, digest);
  if (answer !== null) return answer;
  throw manifestUnknown(`the image ${image.name} has no manifest ${digest}: pull it by its tag`, {
    digest,
  });
}

async function byTag(
  context: Context,
  { request, tag }: Pick<Asked, "request" | "tag">,
  client: Client,
): Promise<Answer> {
  const wanted = wantedSystems(context.config.systems, client);
  const { record, absent } = await findImage(context, { request, tag, wanted });
  const digest = acceptedManifest(client.accept, offersOf(record, wanted));
  const manifest = manifestOf(imageNameOf(context, request), record, digest);
  if (manifest === null) throw new Error(`the image record has no manifest ${digest}`);
  const answer = manifestAnswer(manifest, digest, {
    "Cache-Control": SHORT,
    "Firn-Revision": record.revision,
    Vary: wanted.only && client.pinned === undefined ? "Accept, User-Agent" : "Accept",
  });
  const other = otherMachine(client, wanted);
  const warnings = [
    ...(other === undefined ? [] : [other]),
    ...Array.from(absent, ([system, reason]) => lacking(system, reason)),
    ...lastingWarnings(record, wanted.only && wanted.asked ? [wanted.asked] : wanted.all),
    ...context.warnings,
  ];
  for (const value of warningValues(warnings)) answer.headers.append("Warning", value);
  return answer;
}

/** The manifests that this client can be answered with, by media type. */
function offersOf(record: ImageRecord, { all, asked, only }: WantedSystems): Map<string, Digest> {
  const { images } = digestsOf(record);
  const systems = systemsOf(record).filter((system) =>
    only ? system === asked : all.includes(system),
  );
  const index = indexOf(record, systems);
  const [system] = systems;
  const image = system && images.get(system);
  if (index === undefined || image === undefined)
    throw new Error(`the image record has no index of ${systems.join(", ") || "nothing"}`);
  if (!only)
    return new Map([
      [OCI_INDEX, index.oci],
      [DOCKER_MANIFEST_LIST, index.docker],
    ]);
  return new Map([
    // An index of one image costs another round trip, which only its zstd layers are worth.
    ...(image.zstd === undefined ? [] : [[OCI_INDEX, index.oci] as const]),
    [OCI_MANIFEST, image.oci],
    [DOCKER_MANIFEST, image.docker],
  ]);
}

/** The manifest that the client prefers. Throws MANIFEST_UNKNOWN (404). */
function acceptedManifest(accept: string | null, offers: ReadonlyMap<string, Digest>): Digest {
  const types = [...offers.keys()];
  const accepted = offers.get(negotiate(accept, types) ?? "");
  if (accepted !== undefined) return accepted;
  throw manifestUnknown(
    `this image has manifests of the types ${types.join(" and ")}, ` +
      `and the request accepts none of them`,
    { accept: accept?.slice(0, SHOWN_ACCEPT), offers: types },
  );
}
