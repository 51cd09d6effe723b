/**
 * `GET|HEAD /v2/<name>/blobs/<digest>` (distribution spec, "Pulling blobs"): streamed from the
 * bucket through the Worker, or by a redirect to the bucket, as BLOBS says.
 */
import type { IRequestStrict } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { blobUnknown, rangeInvalid, type RegistryError } from "../pull/errors.ts";
import { blobPath } from "../contract/keys.ts";
import { openContext } from "../pull/context.ts";
import { checkAllowed } from "../pull/permission.ts";
import { findBlob, forgetBlob, type Presence, rememberBlob } from "../store/blobs.ts";
import type { Bucket } from "../store/bucket.ts";
import { API_VERSION, etagOf, IMMUTABLE, isUnchanged } from "./headers.ts";
import { parseRange, type Part } from "./range.ts";
import { redirectTo } from "./redirect.ts";
import { requestedDigest, requestedImage } from "./request.ts";

export async function blobs(
  request: IRequestStrict,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  const image = requestedImage(request);
  const digest = requestedDigest(request);
  const context = await openContext(request, env, ctx);
  checkAllowed(context, image);
  const { bucket, config } = context;
  const { method, headers } = request;
  if (method === "GET" && config.blobs.kind === "stream" && isUnconditional(headers))
    return stream(bucket, digest, null);

  const found = await findBlob(bucket, digest);
  if (found === null) throw unknownBlob(digest);
  if (isUnchanged(headers, etagOf(digest)))
    return new Response(null, { status: 304, headers: headersOf(digest, found) });
  // A presigned URL answers HEAD with 403, so HEAD is never redirected.
  if (method === "HEAD")
    return new Response(null, {
      headers: { ...headersOf(digest, found), "Content-Length": String(found.size) },
    });
  return (
    (await redirectTo(config.blobs, digest)) ??
    stream(bucket, digest, requestedPart(headers, digest, found.size))
  );
}

/** The usual download: reading the object is the only request to the bucket that it needs. */
const isUnconditional = (headers: Headers): boolean =>
  headers.get("If-None-Match") === null && headers.get("Range") === null;

/** Null for the whole blob. Throws RANGE_INVALID (416). */
function requestedPart(headers: Headers, digest: Digest, size: number): Part | null {
  // A Range holds only for the content that If-Range names (RFC 9110, section 13.1.5); a date never
  // does, since nothing here has one.
  const condition = headers.get("If-Range");
  if (condition !== null && condition !== etagOf(digest)) return null;
  const range = parseRange(headers.get("Range"), size);
  if (range === "unsatisfiable") throw rangeInvalid(size);
  return range === "whole" ? null : range;
}

async function stream(bucket: Bucket, digest: Digest, part: Part | null): Promise<Response> {
  const object = await bucket.get(blobPath(digest), part ?? undefined);
  if (object === null) {
    forgetBlob(digest);
    throw unknownBlob(digest);
  }
  rememberBlob(digest, object);
  const headers = headersOf(digest, object);
  if (part === null)
    return new Response(object.body, {
      headers: { ...headers, "Content-Length": String(object.size) },
    });
  const { offset, length } = part;
  return new Response(object.body, {
    status: 206,
    headers: {
      ...headers,
      "Content-Length": String(length),
      "Content-Range": `bytes ${offset}-${offset + length - 1}/${object.size}`,
    },
  });
}

/** Headers that 200, 206 and 304 have in common. */
const headersOf = (digest: Digest, { contentType }: Presence): Record<string, string> => ({
  ...API_VERSION,
  // Origins choose the content types of blobs. A build's log can be read in a browser; nothing else
  // is given a type that a browser would run.
  "Content-Type": contentType?.startsWith("text/plain")
    ? "text/plain; charset=utf-8"
    : "application/octet-stream",
  "X-Content-Type-Options": "nosniff",
  "Docker-Content-Digest": digest,
  ETag: etagOf(digest),
  "Cache-Control": IMMUTABLE,
  "Accept-Ranges": "bytes",
});

const unknownBlob = (digest: Digest): RegistryError =>
  blobUnknown(
    `there is no blob ${digest} in this registry: pull the image by its tag, and its blobs are made`,
    { digest },
  );
