/**
 * Where a client is redirected for a blob that the Worker does not stream itself. The client's
 * credentials are not passed on (CVE-2020-15157).
 */
import { presign } from "../store/s3-signed-requests.ts";
import type { BlobDelivery } from "../bucket-config.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { memory } from "../store/memory.ts";
import { API_VERSION } from "./headers.ts";

/**
 * How long a presigned URL is valid, seconds. That is checked when a download begins, not while it
 * runs.
 */
export const PRESIGN_SECONDS = 300;
/**
 * How long a signed URL is reused, milliseconds: signing costs 0.1 ms, and the last client to get
 * it still has half of its validity left.
 */
const REUSE_MS = (PRESIGN_SECONDS * 1_000) / 2;
/** About 1,500 URLs. */
const REMEMBERED_BYTES = 2 * 2 ** 20;
/** How long a redirect to a public URL may be cached, seconds: the base may change. */
const PUBLIC_SECONDS = 3_600;

const signed = memory<{ readonly url: string }>(
  REMEMBERED_BYTES,
  ({ url }) => url.length,
  REUSE_MS,
);

/**
 * The redirect to the blob, or null when BLOBS says to stream it. 307 keeps the method, and every
 * client follows it.
 */
export async function redirectTo(delivery: BlobDelivery, digest: Digest): Promise<Response | null> {
  switch (delivery.kind) {
    case "stream":
      return null;
    case "public":
      return redirect(
        `${delivery.base}/${blobPath(digest)}`,
        digest,
        `public, max-age=${PUBLIC_SECONDS}`,
      );
    case "presign": {
      let known = signed.get(digest);
      if (known === undefined) {
        known = { url: await presign(delivery.s3, blobPath(digest), PRESIGN_SECONDS) };
        signed.set(digest, known);
      }
      return redirect(known.url, digest, "no-store");
    }
  }
}

function redirect(location: string, digest: Digest, cacheControl: string): Response {
  return new Response(null, {
    status: 307,
    headers: {
      ...API_VERSION,
      Location: location,
      "Docker-Content-Digest": digest,
      "Cache-Control": cacheControl,
      "Content-Length": "0",
    },
  });
}
