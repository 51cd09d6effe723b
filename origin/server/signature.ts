/**
 * Verifies that whoever has the secret key signed a request to the bucket: AWS Signature Version 4,
 * in the Authorization header or in the query of a presigned URL ("Authenticating Requests", Amazon
 * S3 API Reference). The library that signs computes the signature again, for comparison.
 */
import { timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { AwsV4Signer } from "aws4fetch";

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

/** How long a signed header is valid, and how far clocks may differ, milliseconds. */
const HEADER_MS = 15 * 60_000;

/** Derived keys, which are valid for a day. */
const keys = new Map<string, ArrayBuffer>();

/** Undefined when it is signed and in time; otherwise the reason, for the sender. */
export async function signatureFault(
  request: IncomingMessage,
  credentials: Credentials,
): Promise<string | undefined> {
  const url = urlOf(request);
  if (url === null) return "the request has no valid host and path";
  const given = fromHeader(request) ?? fromQuery(url);
  if (given === null) return "the request is not signed";
  if (given.accessKeyId !== credentials.accessKeyId) return "the access key is unknown";
  const { from, until } = given;
  const now = Date.now();
  if (!(now >= from && now <= until)) return "the signature is not valid at this time";
  if (!given.signedHeaders.includes("host")) return "the signature does not cover the host";
  const names = given.signedHeaders.filter((name) => name !== "host");
  const headers = names.map((name) => [name, headerOf(request, name)] as [string, string]);
  const signer = new AwsV4Signer({
    ...credentials,
    service: "s3",
    method: request.method ?? "GET",
    url: url.href,
    headers,
    datetime: given.datetime,
    signQuery: given.inQuery,
    allHeaders: true,
    cache: keys,
  });
  const expected = Buffer.from(await signer.signature());
  const stated = Buffer.from(given.signature);
  const isEqual = expected.length === stated.length && timingSafeEqual(expected, stated);
  if (keys.size > 10) keys.clear();
  return isEqual ? undefined : "the signature does not match the request";
}

/** What a Host header may be (RFC 9110, section 7.2): host and port, and nothing else of a URL. */
const HOST = /^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

/**
 * The URL that a client asked for; null when it is malformed. The Host header is checked first: one
 * with `/` and `#` in it would have another path signed than is served.
 */
export function urlOf({ headers: { host }, url = "/" }: IncomingMessage): URL | null {
  if (host === undefined || !HOST.test(host) || !url.startsWith("/")) return null;
  return URL.parse(`http://${host}${url}`);
}

interface Stated {
  readonly accessKeyId: string;
  readonly datetime: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  readonly inQuery: boolean;
  /** When it is valid, milliseconds since 1970. */
  readonly from: number;
  readonly until: number;
}

function fromHeader(request: IncomingMessage): Stated | null {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/[^,]*,\s*SignedHeaders=([^,]+),\s*Signature=([0-9a-f]+)$/.exec(
      request.headers.authorization ?? "",
    );
  const datetime = headerOf(request, "x-amz-date");
  const time = timeOf(datetime);
  const [, accessKeyId, signedHeaders, signature] = match ?? [];
  if (!accessKeyId || !signedHeaders || !signature || time === null) return null;
  return {
    accessKeyId,
    datetime,
    signedHeaders: signedHeaders.split(";"),
    signature,
    inQuery: false,
    from: time - HEADER_MS,
    until: time + HEADER_MS,
  };
}

/** Takes the signature out of the URL, since it covers only the rest. */
function fromQuery(url: URL): Stated | null {
  const query = url.searchParams;
  const datetime = query.get("X-Amz-Date") ?? "";
  const time = timeOf(datetime);
  const accessKeyId = query.get("X-Amz-Credential")?.split("/")[0];
  const signature = query.get("X-Amz-Signature");
  if (!accessKeyId || !signature || time === null) return null;
  query.delete("X-Amz-Signature");
  return {
    accessKeyId,
    datetime,
    signedHeaders: (query.get("X-Amz-SignedHeaders") ?? "").split(";"),
    signature,
    inQuery: true,
    from: time - HEADER_MS,
    until: time + Number(query.get("X-Amz-Expires")) * 1_000,
  };
}

const headerOf = (request: IncomingMessage, name: string): string =>
  [request.headers[name] ?? ""].flat().join(",");

/** `20261121T183000Z`: milliseconds since 1970; null for anything else. */
function timeOf(datetime: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(datetime);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
