/**
 * `GET|HEAD /v2/<name>/blobs/<digest>` (distribution spec, "Pulling blobs"). Layers of origins are
 * in the bucket, and are streamed through the Worker or redirected to, as BLOBS says. Blobs that
 * are derived from records (pull/images/derived-blobs.ts) are not in the bucket; the Worker answers
 * them itself.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { hasLists } from "../access/accounts.ts";
import { blobUnknown, rangeInvalid } from "../pull/errors.ts";
import { blobPath } from "../contract/keys.ts";
import type { ImageRequest } from "../contract/names.ts";
import { type Context, openContext } from "../pull/context.ts";
import {
  type DerivedBlob,
  derivedBlob,
  imageNameOf,
  rememberedDerived,
} from "../pull/images/derived-blobs.ts";
import { isBroughtBack } from "../pull/images/last-pull.ts";
import { isLayerOf } from "../pull/images/layers-of-name.ts";
import { restoreLayer } from "../pull/images/restore-layer.ts";
import { findArtifact, rememberedArtifact } from "../referrers/find.ts";
import { checkAllowed } from "../pull/permission.ts";
import { findBlob, forgetBlob, type Presence, rememberBlob } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { API_VERSION, etagOf, IMMUTABLE, isUnchanged } from "./headers.ts";
import { parseRange, type Part } from "./range.ts";
import { redirectTo } from "./redirect.ts";
import { requestedDigest, requestedImage } from "./request.ts";

/** Throws DIGEST_INVALID (400), BLOB_UNKNOWN (404), RANGE_INVALID (416), and what pulls throw. */
export async function blobs(
  request: IRequestStrict,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const image = requestedImage(request);
  const digest = requestedDigest(request);
  const context = await openContext(request, env, ctx);
  checkAllowed(context, image);
  const { method, headers } = request;
  const made =
    rememberedDerived(imageNameOf(context, image), digest) ??
    rememberedArtifact(context, image, digest);
  if (made !== null) return answer(request, made);
  if (!(await mayHaveStored(context, image, digest)))
    return madeAgain(request, context, { image, digest });
  if (method === "GET" && context.config.blobs.kind === "stream" && isUnconditional(headers)) {
    const streamed = await stream(context.bucket, digest, null);
    return streamed ?? madeAgain(request, context, { image, digest });
  }
  return (await stored(request, context, digest)) ?? madeAgain(request, context, { image, digest });
}

/** The parts of a request that affect how a blob is answered. */
type BlobRequest = Pick<Request, "method" | "headers">;

/**
 * Whether the caller may have the blob if it is in the bucket. Who may pull every image may have
 * every blob. An account with lists may have the layers of the images that it may pull, under their
 * names, and logs: it learns the address of one only with the error of a pull of its own.
 */
async function mayHaveStored(
  context: Context,
  image: ImageRequest,
  digest: Digest,
): Promise<boolean> {
  const { bucket, caller, config } = context;
  if (config.access.mode !== "private" || caller.account === null || !hasLists(caller.account))
    return true;
  if (await isLayerOf(bucket, imageNameOf(context, image), digest)) return true;
  return isText(await findBlob(bucket, digest));
}

/** The answer with a blob in the bucket; null when the bucket lacks it. */
async function stored(
  request: BlobRequest,
  { bucket, config }: Context,
  digest: Digest,
): Promise<Response | null> {
  const found = await findBlob(bucket, digest);
  if (found === null) return null;
  const early = answerWithoutBody(request, digest, found);
  if (early !== null) return early;
  const redirect = await redirectTo(config.blobs, digest);
  if (redirect !== null) return redirect;
  return stream(bucket, digest, requestedPart(request.headers, digest, found.size));
}

/**
 * The answer with a blob that is made again: from records (pull/images/derived-blobs.ts), by an
 * origin because the bucket has lost it (pull/images/restore-layer.ts), or as part of a referrer of
 * an image (referrers/find.ts). Throws BLOB_UNKNOWN (404), and what these throw.
 */
async function madeAgain(
  request: BlobRequest,
  context: Context,
  { image, digest }: { readonly image: ImageRequest; readonly digest: Digest },
): Promise<Response> {
  const name = imageNameOf(context, image);
  let blob = await derivedBlob(context, image, digest);
  if (blob === null && (await isBroughtBack(context.env, name)))
    blob = await derivedBlob(context, image, digest);
  if (blob !== null) return answer(request, blob);
  const isRestored = await restoreLayer(context, image, digest);
  const restored = isRestored ? await stored(request, context, digest) : null;
  if (restored !== null) return restored;
  const artifact = await findArtifact(context, image, digest);
  if (artifact !== null) return answer(request, artifact);
  throw blobUnknown(
    `the image ${image.name} has no blob ${digest} in this registry: pull the image by its ` +
      `tag, which makes its blobs`,
    { digest },
  );
}

/**
 * A 304, or the answer to HEAD, which is never redirected: a presigned URL answers HEAD with 403.
 */
function answerWithoutBody(
  { method, headers }: BlobRequest,
  digest: Digest,
  found: Presence,
): Response | null {
  if (isUnchanged(headers, etagOf(digest)))
    return new Response(null, { status: 304, headers: headersOf(digest, found) });
  if (method !== "HEAD") return null;
  return new Response(null, {
    headers: { ...headersOf(digest, found), "Content-Length": String(found.size) },
  });
}

/** The answer with a blob that is in memory. */
function answer(request: BlobRequest, { digest, size, bytes, mediaType }: DerivedBlob): Response {
  const found = { size, contentType: mediaType };
  const early = answerWithoutBody(request, digest, found);
  if (early !== null) return early;
  const part = requestedPart(request.headers, digest, size);
  const body = part === null ? bytes : bytes.subarray(part.offset, part.offset + part.length);
  return withBody(body, digest, found, part);
}

/** The usual download: reading the object is the only request to the bucket that it needs. */
const isUnconditional = (headers: Headers): boolean =>
  headers.get("If-None-Match") === null && headers.get("Range") === null;

/** Null for the whole blob. Throws RANGE_INVALID (416). */
function requestedPart(headers: Headers, digest: Digest, size: number): Part | null {
  // A Range applies only to the content that If-Range names (RFC 9110, section 13.1.5); never to a
  // date, since nothing here has one.
  const condition = headers.get("If-Range");
  if (condition !== null && condition !== etagOf(digest)) return null;
  const range = parseRange(headers.get("Range"), size);
  if (range === "unsatisfiable") throw rangeInvalid(size);
  return range === "whole" ? null : range;
}

/** Null when the bucket lacks it. */
async function stream(bucket: Bucket, digest: Digest, part: Part | null): Promise<Response | null> {
  const object = await bucket.get(blobPath(digest), part ?? undefined);
  if (object === null) {
    forgetBlob(digest);
    return null;
  }
  rememberBlob(digest, object);
  return withBody(object.body, digest, object, part);
}

/** 200 with the whole blob, or 206 with a part of it in `body`. */
function withBody(
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer>,
  digest: Digest,
  found: Presence,
  part: Part | null,
): Response {
  const headers = headersOf(digest, found);
  if (part === null)
    return new Response(body, { headers: { ...headers, "Content-Length": String(found.size) } });
  const { offset, length } = part;
  return new Response(body, {
    status: 206,
    headers: {
      ...headers,
      "Content-Length": String(length),
      "Content-Range": `bytes ${offset}-${offset + length - 1}/${found.size}`,
    },
  });
}

/** Whether it is a log: nothing else that is stored is plain text. */
const isText = (found: Pick<Presence, "contentType"> | null): boolean =>
  found?.contentType?.startsWith("text/plain") === true;

/** Headers that 200, 206 and 304 share. */
const headersOf = (digest: Digest, { contentType }: Presence): Record<string, string> => ({
  ...API_VERSION,
  // Origins choose the content types of blobs. A build's log can be read in a browser; nothing else
  // gets a type that a browser would run.
  "Content-Type": isText({ contentType })
    ? "text/plain; charset=utf-8"
    : "application/octet-stream",
  "X-Content-Type-Options": "nosniff",
  "Docker-Content-Digest": digest,
  ETag: etagOf(digest),
  "Cache-Control": IMMUTABLE,
  "Accept-Ranges": "bytes",
});
