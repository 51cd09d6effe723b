/**
 * Manifests as answers with all their headers made, and an isolate's memory of them by the
 * request's path, in front of everything: no URL is parsed, nothing is hashed, decoded or looked up
 * twice for a request that was answered a moment ago.
 *
 * By digest an answer holds for ever; by tag until the tag's freshness ends, for each Accept header
 * as it was sent (docker sends its types in random order, so an image may have several).
 */
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { API_VERSION } from "./base.ts";
import { matches } from "./conditional.ts";
import { countPull } from "../pull/demand.ts";
import type { ManifestBlob } from "../store/manifests.ts";
import { Memory } from "../store/memory.ts";

export interface Answer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
  /** The digest, quoted. */
  readonly etag: string;
}

interface Remembered {
  /** By Accept header; of an answer by digest the only one is under "". */
  readonly answers: Map<string, Answer>;
  /**
   * The image name of a path that ends in a tag, whose pulls are counted; null for one that ends in
   * a digest.
   */
  readonly counted: string | null;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Paths, headers and manifests; the bytes of a manifest are mostly shared with manifest-blobs.ts,
 * but counted again.
 */
const REMEMBERED_BYTES = 12 * 2 ** 20;
/** What the headers of an answer take, roughly. */
const HEADER_BYTES = 1_000;
/**
 * Accept headers remembered for one path: the orders in which docker sends its types; more begin
 * anew.
 */
const MAX_ACCEPTS = 16;
/** Longest Accept header that is worth a key, characters. */
const MAX_ACCEPT = 1_024;

const remembered = new Memory<Remembered>(REMEMBERED_BYTES);

/**
 * An answer of a manifest with everything that a client gets to know about it. Content-Type is the
 * media type and nothing else (distribution spec).
 */
export function prepare(
  { bytes, mediaType }: ManifestBlob,
  digest: Digest,
  more: Readonly<Record<string, string>>,
): Answer {
  const etag = `"${digest}"`;
  const headers = new Headers({
    ...API_VERSION,
    "Content-Type": mediaType,
    "Content-Length": String(bytes.length),
    "Docker-Content-Digest": digest,
    ETag: etag,
    ...more,
  });
  return { bytes, headers, etag };
}

/** The answer to this request: 304 when the client has it already, without a body for HEAD. */
export function answer(request: Pick<Request, "method" | "headers">, found: Answer): Response {
  return answerTo(request.method, request.headers, found);
}

function answerTo(
  method: string,
  sent: Pick<Headers, "get">,
  { bytes, headers, etag }: Answer,
): Response {
  const known = sent.get("If-None-Match");
  if (known !== null && matches(known, etag)) {
    const kept = new Headers(headers);
    kept.delete("Content-Length");
    kept.delete("Content-Type");
    return new Response(null, { status: 304, headers: kept });
  }
  return new Response(method === "HEAD" ? null : bytes, { headers });
}

/** What an answer by tag depends on, beside the path. */
export interface TagRequest {
  readonly name: string;
  /** The header as sent. */
  readonly accept: string | null;
}

/** To be called with what was just answered; `request` is null for a path that ends in a digest. */
export function rememberAnswer(
  path: string,
  request: TagRequest | null,
  found: Answer,
  until: number,
): void {
  const accept = request?.accept ?? "";
  if (until <= Date.now() || accept.length > MAX_ACCEPT) return;
  const before = remembered.get(path);
  const kept =
    before !== undefined && before.until === until && before.answers.size < MAX_ACCEPTS
      ? before.answers
      : [];
  const answers = new Map([...kept, [accept, found]]);
  remembered.set(
    path,
    { answers, counted: request?.name ?? null, until },
    answers.size * (found.bytes.length + HEADER_BYTES),
  );
}

/**
 * The answer that an equal request got a moment ago, if it still holds. Only reads of names and
 * references that were found valid are remembered, so nothing is left to check.
 */
export function rememberedAnswer(
  request: Request,
  env: Env,
  ctx: ExecutionContext,
): Response | null {
  const { method } = request;
  if (method !== "GET" && method !== "HEAD") return null;
  const entry = remembered.get(pathOf(request.url));
  if (entry === undefined || Date.now() >= entry.until) return null;
  // Each look into the request crosses from JavaScript into the runtime and back, a microsecond or
  // two: one for each thing.
  const sent = request.headers;
  const found = entry.answers.get(entry.counted === null ? "" : (sent.get("Accept") ?? ""));
  if (found === undefined) return null;
  if (entry.counted !== null) countPull(entry.counted, request, env, ctx);
  return answerTo(method, sent, found);
}

/**
 * The path of an absolute URL, as it was sent, without the query: `?ns=` of mirrors and whatever
 * else is ignored.
 */
export function pathOf(url: string): string {
  const start = url.indexOf("/", "https://".length);
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
