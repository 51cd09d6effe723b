/**
 * The bucket over the S3 protocol (HEAD, GET with Range, PUT with If-None-Match), for S3-compatible
 * services without a binding; and presigned URLs.
 */
import { AwsClient } from "aws4fetch";
import { type Bucket, type ByteRange, bucketOperation, type StoredObject } from "./bucket.ts";

export interface S3Config {
  /**
   * `https://host` with an optional path; the bucket is addressed path-style below it, which every
   * service knows.
   */
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/**
 * Statuses that may pass: failures of the service, throttling, and two writers of one key at once
 * (409 ConditionalRequestConflict).
 */
const PASSING = new Set([408, 409, 429, 500, 502, 503, 504]);

export function s3Bucket(config: S3Config): Bucket {
  const client = clientOf(config);

  /**
   * One signed request. A status that is neither 2xx nor in `expected` throws, and is retried and
   * then a BucketUnavailable: 403 too, since the client can do nothing about the edge's credentials.
   */
  const send = (
    method: string,
    key: string,
    expected: readonly number[],
    init: { headers?: Record<string, string>; body?: Uint8Array<ArrayBuffer> | string } = {},
  ): Promise<Response> =>
    bucketOperation(`${method} of ${key}`, async (signal) => {
      // no-store: a Worker's fetch may otherwise be answered by the CDN, with a 404 of a moment
      // ago.
      const response = await client.fetch(objectUrl(config, key), {
        method,
        cache: "no-store",
        signal,
        ...init,
      });
      if (response.ok || expected.includes(response.status)) return response;
      await response.body?.cancel();
      throw new Error(
        `the bucket answered ${response.status}${PASSING.has(response.status) ? "" : ": check S3_ENDPOINT, S3_BUCKET and the credentials"}`,
      );
    });

  return {
    async head(key) {
      const response = await send("HEAD", key, [404]);
      return response.status === 404 ? null : stored(response);
    },
    async get(key, range) {
      const response = await send(
        "GET",
        key,
        [404],
        range ? { headers: { Range: rangeHeader(range) } } : {},
      );
      if (response.status === 404 || response.body === null) {
        await response.body?.cancel();
        return null;
      }
      return { ...stored(response), body: response.body };
    },
    async put(key, data, { contentType, ifAbsent }) {
      const response = await send("PUT", key, [412], {
        headers: { "Content-Type": contentType, ...(ifAbsent ? { "If-None-Match": "*" } : {}) },
        body: data,
      });
      await response.body?.cancel();
      return response.ok;
    },
  };
}

/** A URL by which anybody can GET (not HEAD) the object for `seconds`. */
export async function presign(config: S3Config, key: string, seconds: number): Promise<string> {
  const url = `${objectUrl(config, key)}?X-Amz-Expires=${seconds}`;
  return (await clientOf(config).sign(url, { method: "GET", aws: { signQuery: true } })).url;
}

/** One client for each configuration: it keeps the signing key, which holds for a day. */
const clients = new WeakMap<S3Config, AwsClient>();

function clientOf(config: S3Config): AwsClient {
  let client = clients.get(config);
  if (!client) {
    const { region, accessKeyId, secretAccessKey } = config;
    // bucketOperation retries: aws4fetch's own retries would multiply that, and leave network errors
    // out.
    clients.set(
      config,
      (client = new AwsClient({ service: "s3", region, accessKeyId, secretAccessKey, retries: 0 })),
    );
  }
  return client;
}

const objectUrl = ({ endpoint, bucket }: S3Config, key: string): string =>
  `${endpoint.replace(/\/+$/, "")}/${bucket}/${key.split("/").map(encodeURIComponent).join("/")}`;

const rangeHeader = (range: ByteRange): string =>
  "suffix" in range
    ? `bytes=-${range.suffix}`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`;

function stored(response: Response): StoredObject {
  const total =
    /\/(\d+)$/.exec(response.headers.get("Content-Range") ?? "")?.[1] ??
    response.headers.get("Content-Length");
  return { size: Number(total), contentType: response.headers.get("Content-Type") ?? undefined };
}
