/**
 * The bucket over the S3 protocol (HEAD, GET with Range, PUT with If-None-Match, DELETE,
 * ListObjectsV2), for S3-compatible services without a binding.
 */
import { FULL, mayPass } from "../contract/bucket-status.ts";
import {
  type Bucket,
  BucketRefused,
  type ByteRange,
  bucketOperation,
  type StoredObject,
} from "./bucket.ts";
import { clientOf, objectUrl, type S3Config } from "./s3-client.ts";
import { readListing } from "./s3-listing.ts";

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
        return readListing(await response.text(), prefix);
      });
    },
    async delete(key) {
      const response = await send("DELETE", key, [404]);
      await response.body?.cancel();
    },
  };
}

const rangeHeader = (range: ByteRange): string =>
  "suffix" in range
    ? `bytes=-${range.suffix}`
    : `bytes=${range.offset}-${range.offset + range.length - 1}`;

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
