/**
 * The bucket over the S3 protocol (HEAD, GET with Range, PUT with If-None-Match, DELETE,
 * ListObjectsV2), for S3-compatible services without a binding; and requests that are signed here
 * for others to send.
 *
 * A PUT is signed in its Authorization header, with the SHA-256 of its content in
 * x-amz-content-sha256, and not in a presigned URL: of a URL the content is UNSIGNED-PAYLOAD, and
 * whether a checksum header beside it is compared differs from service to service. What
 * x-amz-content-sha256 says is part of Signature Version 4 itself: S3 and R2 hash the content and
 * answer 400 XAmzContentSHA256Mismatch, and so does Miniflare. Length, type and If-None-Match are
 * signed as well. Such a request holds for 15 minutes from X-Amz-Date ("Authenticating Requests:
 * Using the Authorization Header", Amazon S3 API Reference).
 */
import { AwsClient, AwsV4Signer } from "aws4fetch";
import type { Digest } from "../contract/digest.ts";
import { FULL, mayPass } from "../contract/bucket-status.ts";
import { blobPath } from "../contract/keys.ts";
import {
  type Bucket,
  BucketRefused,
  type ByteRange,
  bucketOperation,
  type ListedPage,
  type StoredObject,
} from "./bucket.ts";

export interface S3Config {
  /**
   * `https://host` with an optional path; the bucket is addressed path-style below it, which every
   * service knows.
   */
  readonly endpoint: string;
  /** The same for those who are given signed requests, where they reach it by another address. */
  readonly publicEndpoint?: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What an operator should look at when the bucket refuses, for the log. */
const adviceOn = (status: number): string =>
  status === FULL ? "it is full" : "check S3_ENDPOINT, S3_BUCKET, its quota and the credentials";

/** The bucket at an S3-compatible endpoint. */
export function s3Bucket(config: S3Config): Bucket {
  const client = clientOf(config);

  /**
   * One signed request, once. A status that is neither 2xx nor in `expected` throws: 403 too, since
   * the client can do nothing about the edge's credentials.
   */
  const request = async (url: string, expected: readonly number[], init: RequestInit) => {
    // no-store: a Worker's fetch may otherwise be answered by the CDN, with a 404 of a moment ago.
    const response = await client.fetch(url, { cache: "no-store", ...init });
    if (response.ok || expected.includes(response.status)) return response;
    await response.body?.cancel();
    const said = `the bucket answered ${response.status}`;
    if (mayPass(response.status)) throw new Error(said);
    throw new BucketRefused(`${said}: ${adviceOn(response.status)}`);
  };
  const send = (
    method: string,
    key: string,
    expected: readonly number[],
    init: Pick<RequestInit, "headers" | "body"> = {},
  ): Promise<Response> =>
    bucketOperation(`${method} of ${key}`, (signal) =>
      request(objectUrl(config, key), expected, { method, signal, ...init }),
    );
  /** The same for what is read. An answer that cannot be relied on throws. */
  const read = (method: "GET" | "HEAD", key: string, range?: ByteRange): Promise<Response> =>
    bucketOperation(`${method} of ${key}`, async (signal) => {
      const headers: Record<string, string> = range ? { Range: rangeHeader(range) } : {};
      const response = await request(objectUrl(config, key), [404], { method, signal, headers });
      const mistake = response.ok ? mistakeOf(response, range !== undefined) : undefined;
      if (mistake === undefined) return response;
      await response.body?.cancel();
      throw new Error(mistake);
    });

  return {
    async head(key) {
      const response = await read("HEAD", key);
      return response.status === 404 ? null : stored(response);
    },
    async get(key, range) {
      const response = await read("GET", key, range);
      const { status, body } = response;
      if (status === 404 || body === null) {
        await body?.cancel();
        return null;
      }
      return { ...stored(response), body };
    },
    async put(key, data, { contentType, ifAbsent }) {
      const response = await send("PUT", key, [412], {
        headers: { "Content-Type": contentType, ...(ifAbsent ? { "If-None-Match": "*" } : {}) },
        body: data,
      });
      await response.body?.cancel();
      return response.ok;
    },
    async list(prefix, { limit, after }) {
      const query = new URLSearchParams({
        "list-type": "2",
        prefix,
        "max-keys": String(limit),
        ...(after === undefined ? {} : { "start-after": after }),
      });
      return bucketOperation(`LIST of ${prefix}`, async (signal) => {
        const response = await request(`${objectUrl(config, "")}?${query}`, [], { signal });
        return readListing(await response.text());
      });
    },
    async delete(key) {
      const response = await send("DELETE", key, [404]);
      await response.body?.cancel();
    },
  };
}

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

/** One client for each configuration: it keeps the signing key, which holds for a day. */
const clients = new WeakMap<S3Config, AwsClient>();

function clientOf(config: S3Config): AwsClient {
  let client = clients.get(config);
  if (!client) {
    const { region, accessKeyId, secretAccessKey } = config;
    // bucketOperation retries: aws4fetch's own retries would multiply that, and leave network
    // errors out.
    clients.set(
      config,
      (client = new AwsClient({ service: "s3", region, accessKeyId, secretAccessKey, retries: 0 })),
    );
  }
  return client;
}

const asPublic = (config: S3Config): S3Config => ({
  ...config,
  endpoint: config.publicEndpoint ?? config.endpoint,
});

/** The URL of an object; without a key, of the bucket itself. */
function objectUrl({ endpoint, bucket }: S3Config, key: string): string {
  const path = key.split("/").map(encodeURIComponent).join("/");
  return `${endpoint.replace(/\/+$/, "")}/${bucket}/${path}`;
}

const rangeHeader = (range: ByteRange): string =>
  "suffix" in range
    ? `bytes=-${range.suffix}`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`;

/**
 * The answer of ListObjectsV2: flat XML without attributes, whose texts are escaped. Throws for any
 * other text (the page of a proxy, for instance), which would be read as an empty listing.
 */
function readListing(xml: string): ListedPage {
  if (!xml.includes("<ListBucketResult") || !xml.includes("</ListBucketResult>"))
    throw new Error("the bucket did not answer a listing");
  const objects = [...xml.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, text = ""]) => ({
    key: field("Key", text),
    size: Number(field("Size", text)),
    writtenAt: Date.parse(field("LastModified", text)),
  }));
  // What is of no known time would count as old, and be collected.
  if (objects.some(({ size, writtenAt }) => Number.isNaN(size + writtenAt)))
    throw new Error("the bucket lists objects without their sizes or times");
  return { objects, more: field("IsTruncated", xml) === "true" };
}

const field = (name: string, xml: string): string =>
  unescaped(new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "");

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
};
const unescaped = (text: string): string =>
  text.replaceAll(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (entity, decimal, hex, name) =>
    name === undefined
      ? String.fromCodePoint(decimal === undefined ? parseInt(hex, 16) : Number(decimal))
      : (ENTITIES[name] ?? entity),
  );

/**
 * Why what is read cannot be relied on: without the object's size it would be taken for another
 * one, and the whole for the part that was asked for. Proxies in front of a bucket do that.
 */
function mistakeOf(response: Response, isPart: boolean): string | undefined {
  const encoding = response.headers.get("Content-Encoding") ?? "";
  if (/gzip|br|deflate|zstd/.test(encoding))
    return `something in front of the bucket compresses its answers (${encoding})`;
  if (totalOf(response) === null) return "the bucket answered without the object's size";
  if (isPart && response.status !== 206) return "the bucket answered more than the part asked for";
  return undefined;
}

/** Bytes of the whole object, as text. */
const totalOf = ({ headers }: Response): string | null =>
  /\/(\d+)$/.exec(headers.get("Content-Range") ?? "")?.[1] ?? headers.get("Content-Length");

const stored = (response: Response): StoredObject => ({
  size: Number(totalOf(response)),
  contentType: response.headers.get("Content-Type") ?? undefined,
});
