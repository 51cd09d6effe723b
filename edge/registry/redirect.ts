/**
 * Where a client is sent for a blob, when the Worker does not stream it itself. No credentials of
 * the client travel with it (CVE-2020-15157): the target gets none.
 */
import { presign } from "../store/s3.ts";
import type { BlobDelivery } from "../config.ts";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { API_VERSION } from "./base.ts";
import { Memory } from "../store/memory.ts";

/**
 * How long a presigned URL opens the blob, seconds. It is looked at when a download begins, not
 * while it runs.
 */
export const PRESIGN_SECONDS = 300;
/**
 * A signed URL is handed out again for this long, milliseconds: signing costs 0.1 ms, and whoever
 * gets it late has half of its life left.
 */
const REUSE_MS = (PRESIGN_SECONDS * 1_000) / 2;
/** About 1,500 URLs. */
const REMEMBERED_BYTES = 2 * 2 ** 20;
/** What a public URL's redirect may be cached, seconds: the base may be moved. */
const PUBLIC_SECONDS = 3_600;

const signed = new Memory<{ readonly url: string; readonly until: number }>(REMEMBERED_BYTES);

/**
 * The redirect to the blob, or null when it is streamed. 307 keeps the method, and every client
 * follows it.
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
      const now = Date.now();
      let known = signed.get(digest);
      if (known === undefined || now >= known.until) {
        known = {
          url: await presign(delivery.s3, blobPath(digest), PRESIGN_SECONDS),
          until: now + REUSE_MS,
        };
        signed.set(digest, known, known.url.length);
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
