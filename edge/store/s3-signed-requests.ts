/**
 * Requests to the bucket that are signed here for others to send: downloads of clients, uploads and
 * downloads of origins.
 *
 * A PUT is signed in its Authorization header, with the SHA-256 of its content in
 * x-amz-content-sha256, and not in a presigned URL: of a URL the content is UNSIGNED-PAYLOAD, and
 * whether a checksum header beside it is compared differs from service to service. What
 * x-amz-content-sha256 says is part of Signature Version 4 itself: S3 and R2 hash the content and
 * answer 400 XAmzContentSHA256Mismatch, and so does Miniflare. Length, type and If-None-Match are
 * signed as well. Such a request holds for 15 minutes from X-Amz-Date ("Authenticating Requests:
 * Using the Authorization Header", Amazon S3 API Reference).
 */
import { AwsV4Signer } from "aws4fetch";
import type { Digest } from "../contract/digest.ts";
import { blobPath } from "../contract/keys.ts";
import { clientOf, objectUrl, type S3Config } from "./s3-client.ts";

/** A URL by which anybody can GET (not HEAD) the object for `seconds`. */
export async function presign(config: S3Config, key: string, seconds: number): Promise<string> {
  const url = `${objectUrl(asPublic(config), key)}?X-Amz-Expires=${seconds}`;
  return (await clientOf(config).sign(url, { method: "GET", aws: { signQuery: true } })).url;
}

export interface SignedRequest {
  readonly url: string;
  /** To be sent as they are, with none beside them but Host. */
  readonly headers: Record<string, string>;
}

export interface PutTerms {
  /** The blob's own path when left out. */
  readonly key?: string;
  readonly digest: Digest;
  readonly size: number;
  readonly contentType: string;
  /** Let an object that is there stay: the bucket answers 412 then. */
  readonly ifAbsent: boolean;
}

/** A request by which anybody can store this blob, and nothing else, for 15 minutes. */
export async function signPut(config: S3Config, blob: PutTerms): Promise<SignedRequest> {
  const { region, accessKeyId, secretAccessKey, cache } = clientOf(config);
  const signer = new AwsV4Signer({
    service: "s3",
    region: region ?? config.region,
    accessKeyId,
    secretAccessKey,
    cache,
    method: "PUT",
    url: objectUrl(asPublic(config), blob.key ?? blobPath(blob.digest)),
    // Content-Length and Content-Type, which it leaves out by itself.
    allHeaders: true,
    headers: {
      "Content-Length": String(blob.size),
      "Content-Type": blob.contentType,
      "X-Amz-Content-Sha256": blob.digest.slice("sha256:".length),
      ...(blob.ifAbsent ? { "If-None-Match": "*" } : {}),
    },
  });
  const { url, headers } = await signer.sign();
  return { url: url.href, headers: Object.fromEntries(headers) };
}

const asPublic = (config: S3Config): S3Config => ({
  ...config,
  endpoint: config.publicEndpoint ?? config.endpoint,
});
