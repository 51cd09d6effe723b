/**
 * A directory as an S3-compatible bucket, for the edge and the origins of a self-hosted Firn: HEAD,
 * GET with Range, PUT (If-None-Match, the content's SHA-256), DELETE, ListObjectsV2, all signed.
 * Multipart uploads are not supported: the edge signs one PUT for each blob.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { DirectoryBucket } from "./directory.ts";
import { errorText, listing, S3Error, sendXml, systemError } from "./s3-answers.ts";
import { sendObject } from "./send-object.ts";
import { type Credentials, signatureFault, urlOf } from "./signature.ts";

export interface BucketServerOptions {
  readonly dir: string;
  readonly bucket: string;
  readonly credentials: Credentials;
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  readonly log: (line: string) => void;
  /** Longest silence on a connection in the middle of a request, ms; SILENCE_MS when left out. */
  readonly silenceMs?: number;
}

export interface BucketServer {
  /** Without the bucket's name. */
  readonly url: string;
  stop(): Promise<void>;
}

/** Most objects of one answer to ListObjectsV2 (Amazon S3 API Reference). */
const MAX_KEYS = 1_000;
/** Longest key, bytes (Amazon S3 User Guide, "Naming Amazon S3 objects"). */
const MAX_KEY = 1_024;
/**
 * Longest silence of a client that sends or reads a blob, ms, since it holds a connection and a
 * file. The duration of the whole request is not limited (Node's default is five minutes): uploading
 * a layer of some GB takes longer on many lines.
 */
const SILENCE_MS = 120_000;
const UNSIGNED = "UNSIGNED-PAYLOAD";
/** Serves the directory until it is stopped. */
export async function serveBucket(options: BucketServerOptions): Promise<BucketServer> {
  const directory = await DirectoryBucket.open(options.dir);
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    answer(request, response, directory, options).catch((error: unknown) =>
      fail(request, response, error, options),
    );
  });
  server.setTimeout(options.silenceMs ?? SILENCE_MS);
  server.listen(options.port, options.host);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return {
    url: `http://${host}:${port}`,
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  directory: DirectoryBucket,
  { bucket, credentials }: BucketServerOptions,
): Promise<void> {
  const fault = await signatureFault(request, credentials);
  if (fault !== undefined) throw new S3Error(403, "AccessDenied", fault);
  const url = urlOf(request);
  if (url === null) throw new S3Error(400, "InvalidURI", "the request has no valid host and path");
  const [, name = "", key = ""] = /^\/([^/]*)\/?(.*)$/s.exec(url.pathname) ?? [];
  if (name !== bucket) throw new S3Error(404, "NoSuchBucket", `the bucket is ${bucket}`);
  const { method = "GET" } = request;
  if (key === "" && method === "GET") return list(url, response, directory, bucket);
  const decoded = decodeKey(key);
  if (url.searchParams.has("uploads") || url.searchParams.has("uploadId"))
    throw new S3Error(501, "NotImplemented", "multipart uploads are not supported here");
  switch (method) {
    case "HEAD":
    case "GET":
      return sendObject(request, response, directory, decoded);
    case "PUT":
      return write(request, response, directory, decoded);
    case "DELETE":
      await directory.delete(decoded);
      response.writeHead(204).end();
      return;
    default:
      throw new S3Error(405, "MethodNotAllowed", "GET, HEAD, PUT and DELETE are allowed");
  }
}

function decodeKey(key: string): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(key);
  } catch {
    throw new S3Error(400, "InvalidURI", "the key is not encoded as a URL");
  }
  if (decoded === "" || decoded.includes("\0") || Buffer.byteLength(decoded) > MAX_KEY)
    throw new S3Error(400, "InvalidArgument", `a key has 1 to ${MAX_KEY} bytes, none of them 0`);
  return decoded;
}

async function write(
  request: IncomingMessage,
  response: ServerResponse,
  directory: DirectoryBucket,
  key: string,
): Promise<void> {
  const stated = [request.headers["x-amz-content-sha256"] ?? UNSIGNED].flat()[0] ?? UNSIGNED;
  if (stated !== UNSIGNED && !/^[0-9a-f]{64}$/.test(stated))
    throw new S3Error(501, "NotImplemented", "x-amz-content-sha256 must be a SHA-256, or unsigned");
  const hash = createHash("sha256");
  async function* hashed(): AsyncGenerator<Uint8Array> {
    for await (const chunk of request) {
      hash.update(chunk as Buffer);
      yield chunk as Buffer;
    }
  }
  const isWritten = await directory.put(key, hashed(), {
    contentType: request.headers["content-type"] ?? "application/octet-stream",
    ifAbsent: request.headers["if-none-match"] === "*",
    // What origins store comes with its hash, since nobody reads it again before a client does. The
    // edge's own records come without, and are checked whenever they are read.
    durable: stated !== UNSIGNED,
    accept: () => {
      if (!request.complete) throw new S3Error(400, "IncompleteBody", "the content ends too early");
      if (stated !== UNSIGNED && hash.digest("hex") !== stated)
        throw new S3Error(400, "XAmzContentSHA256Mismatch", "the content has another SHA-256");
    },
  });
  if (!isWritten) throw new S3Error(412, "PreconditionFailed", `${key} is there already`);
  response.writeHead(200, { "Content-Length": 0 }).end();
}

async function list(
  url: URL,
  response: ServerResponse,
  directory: DirectoryBucket,
  bucket: string,
): Promise<void> {
  const query = url.searchParams;
  const asked = Number(query.get("max-keys") ?? MAX_KEYS);
  const limit = Number.isInteger(asked) && asked >= 0 ? Math.min(asked, MAX_KEYS) : MAX_KEYS;
  const prefix = query.get("prefix") ?? "";
  const after = query.get("continuation-token") ?? query.get("start-after") ?? "";
  const { objects, more } = await directory.list(prefix, { after, limit });
  sendXml(response, 200, listing({ bucket, prefix, limit, objects, more }));
}

/** The path without a presigned URL's signature, with which anybody could read. */
const pathOf = ({ url = "/" }: IncomingMessage): string => url.replace(/\?.*/s, "");

/**
 * Tells the client, unless it is gone or the answer has begun; anything but an S3Error is logged.
 */
function fail(
  request: IncomingMessage,
  response: ServerResponse,
  error: unknown,
  { log }: BucketServerOptions,
): void {
  const known = error instanceof S3Error ? error : undefined;
  // Not the request: whoever stops reading it in the middle destroys it, as a full disk does.
  const hasGone = response.destroyed || response.socket?.destroyed !== false;
  if (known === undefined && !hasGone)
    log(`the bucket's directory: ${request.method} of ${pathOf(request)}: ${String(error)}`);
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, code, message } = known ?? systemError((error as NodeJS.ErrnoException).code);
  // The rest of what the client sends is not read.
  if (!request.complete) response.setHeader("Connection", "close");
  if (request.method === "HEAD") response.writeHead(status).end();
  else sendXml(response, status, errorText(code, message));
}
