/**
 * `GET|HEAD /v2/<name>/blobs/<digest>` (distribution spec, "Pulling blobs"): from the bucket
 * through the Worker, or by a redirect to it, as BLOBS says.
 */
import type { IRequest } from "itty-router";
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { blobUnknown, rangeInvalid } from "../pull/errors.ts";
import { blobPath } from "../contract/keys.ts";
import { parseImageName } from "../contract/names.ts";
import { parseDigest } from "./reference.ts";
import { API_VERSION } from "./base.ts";
import { matches } from "./conditional.ts";
import { redirectTo } from "./redirect.ts";
import { decoded } from "./path.ts";
import { findBlob, forgetBlob, type Presence, rememberBlob } from "../store/blobs.ts";
import { parseRange, type Part } from "./range.ts";
import { openRegistry, type Registry } from "../pull/registry.ts";

export async function blobs(request: IRequest, env: Env, ctx: ExecutionContext): Promise<Response> {
  parseImageName(decoded(request.params["name"]));
  const digest = parseDigest(decoded(request.params["digest"]));
  const registry = await openRegistry(request, env, ctx);
  const header = (name: string): string | null => request.headers.get(name) as string | null;

  const etag = `"${digest}"`;
  const known = header("If-None-Match");
  // The usual download: one question to the bucket is enough, and it is the answer.
  if (
    request.method === "GET" &&
    registry.config.blobs.kind === "stream" &&
    known === null &&
    header("Range") === null
  )
    return stream(registry, digest, etag, null);

  const found = await findBlob(registry.bucket, digest);
  if (found === null) throw unknownBlob(digest);
  const headers = headersOf(digest, etag, found);
  if (known !== null && matches(known, etag)) return new Response(null, { status: 304, headers });
  if (request.method === "HEAD") {
    // A presigned URL answers HEAD with 403, so this is always the Worker's own matter.
    headers.set("Content-Length", String(found.size));
    return new Response(null, { headers });
  }
  const redirect = await redirectTo(registry.config.blobs, digest);
  if (redirect !== null) return redirect;

  // A Range holds only for the content that If-Range names (RFC 9110, section 13.1.5); a date never
  // does, since nothing here has one.
  const condition = header("If-Range");
  const range = parseRange(
    condition === null || condition === etag ? header("Range") : null,
    found.size,
  );
  if (range === "unsatisfiable") throw rangeInvalid(found.size);
  return stream(registry, digest, etag, range === "whole" ? null : range);
}

const unknownBlob = (digest: Digest): Error =>
  blobUnknown(`there is no blob ${digest} here: pull the image by its tag first, and it is made`, {
    digest,
  });

/** Headers that 200, 206 and 304 have in common. */
function headersOf(digest: Digest, etag: string, { contentType }: Presence): Headers {
  return new Headers({
    ...API_VERSION,
    // Origins choose the content types of blobs: none that a browser runs gets through, and a
    // build's log can be read in one.
    "Content-Type": contentType?.startsWith("text/plain")
      ? "text/plain; charset=utf-8"
      : "application/octet-stream",
    "X-Content-Type-Options": "nosniff",
    "Docker-Content-Digest": digest,
    ETag: etag,
    "Cache-Control": "public, max-age=31536000, immutable, no-transform",
    "Accept-Ranges": "bytes",
  });
}

async function stream(
  { bucket }: Registry,
  digest: Digest,
  etag: string,
  part: Part | null,
): Promise<Response> {
  const object =
    part === null ? await bucket.get(blobPath(digest)) : await bucket.get(blobPath(digest), part);
  if (object === null) {
    forgetBlob(digest);
    throw unknownBlob(digest);
  }
  rememberBlob(digest, object);
  const headers = headersOf(digest, etag, object);
  headers.set("Content-Length", String(part?.length ?? object.size));
  if (part !== null)
    headers.set(
      "Content-Range",
      `bytes ${part.offset}-${part.offset + part.length - 1}/${object.size}`,
    );
  return new Response(object.body, { status: part === null ? 200 : 206, headers });
}
