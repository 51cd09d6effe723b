/**
 * Manifests as answers with all their headers, and an isolate's memory of them in front of the
 * router: a request that was answered a moment ago needs no URL parsed, no hash and no look-up.
 * With it a cached tag takes 0.8 of what workerd can do at all, without it 0.4.
 *
 * By digest an answer holds for some seconds, since an image may be withdrawn; by tag for a second,
 * for each Accept header as it was sent (docker sends its types in random order, so one image may
 * have several) and each kind of machine.
 */
import type { Env } from "../env.ts";
import type { Digest } from "../contract/digest.ts";
import { countPull } from "../pull/count-pulls.ts";
import type { DerivedBlob } from "../pull/images/derived-blobs.ts";
import { DERIVED_MS } from "../store/fresh.ts";
import { memory } from "../store/memory.ts";
import { API_VERSION, etagOf, isUnchanged } from "./headers.ts";
import { systemOf } from "./platform.ts";

export interface Answer {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly headers: Headers;
  readonly etag: string;
  readonly digest: Digest;
}

interface Remembered {
  readonly answer: Answer;
  /** The image whose pull is counted. */
  readonly image: string;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/**
 * Paths, headers and manifests; the bytes of a manifest are mostly shared with
 * pull/images/derived-blobs.ts, but counted again.
 */
const REMEMBERED_BYTES = 6 * 2 ** 20;
/** What the headers of an answer take, roughly. */
const HEADER_BYTES = 1_000;
/** Longest Accept header that is worth a key, characters; docker's have about 600. */
const MAX_ACCEPT = 1_024;
/**
 * How long an answer by tag is given again, milliseconds: so many pulls are one look at the tag,
 * and a tag that moved shows a second later at most.
 */
const TAG_ANSWER_MS = 1_000;

const remembered = memory<Remembered>(
  REMEMBERED_BYTES,
  ({ answer }) => answer.bytes.length + HEADER_BYTES,
);

/**
 * An answer with a manifest and everything that a client gets to know about it. Content-Type is the
 * media type and nothing else (distribution spec).
 */
export function manifestAnswer(
  { bytes, mediaType }: Pick<DerivedBlob, "bytes" | "mediaType">,
  digest: Digest,
  more: Readonly<Record<string, string>>,
): Answer {
  const etag = etagOf(digest);
  const headers = new Headers({
    ...API_VERSION,
    "Content-Type": mediaType,
    "Content-Length": String(bytes.length),
    "Docker-Content-Digest": digest,
    ETag: etag,
    ...more,
  });
  return { bytes, headers, etag, digest };
}

/** The response to this request: 304 when the client has it already, without a body for HEAD. */
export function respond(
  { method, headers: sent }: Pick<Request, "method" | "headers">,
  { bytes, headers, etag }: Answer,
): Response {
  if (isUnchanged(sent, etag)) {
    const kept = new Headers(headers);
    kept.delete("Content-Length");
    kept.delete("Content-Type");
    return new Response(null, { status: 304, headers: kept });
  }
  return new Response(method === "HEAD" ? null : bytes, { headers });
}

/** Gives the same answer to equal requests: by digest for some seconds. */
export function rememberByDigest({ url }: Request, answer: Answer, image: string): void {
  remembered.set(pathOf(url), { answer, image, until: Date.now() + DERIVED_MS });
}

/**
 * Gives the same answer to equal requests for the tag of an image, for a moment. To be called for
 * what holds for every client of this kind of machine: not for an answer that warns of a state that
 * passes.
 */
export function rememberByTag({ url, headers }: Request, answer: Answer, image: string): void {
  const accept = headers.get("Accept") ?? "";
  if (accept.length > MAX_ACCEPT) return;
  const until = Date.now() + TAG_ANSWER_MS;
  remembered.set(tagKey(pathOf(url), headers, accept), { answer, image, until });
}

/**
 * The answer that an equal request got a moment ago. Only answers to valid reads are remembered, so
 * there is nothing left to check.
 */
export function rememberedAnswer(
  request: Request,
  env: Env,
  ctx: ExecutionContext,
): Response | null {
  const { method, headers, url } = request;
  if (method !== "GET" && method !== "HEAD") return null;
  const path = pathOf(url);
  const accept = headers.get("Accept") ?? "";
  // What a browser shows is a page, whatever a client got by the same digest.
  if (accept.startsWith("text/html")) return null;
  const isByDigest = path.includes("/manifests/sha256:");
  const found = remembered.get(isByDigest ? path : tagKey(path, headers, accept));
  if (found === undefined || Date.now() >= found.until) return null;
  // The last pull was noted when this answer was made, some seconds ago at most.
  countPull(found.image, request, env, ctx);
  return respond({ method, headers }, found.answer);
}

/** What decides about an answer by tag: registry/platform.ts reads nothing else of a User-Agent. */
const tagKey = (path: string, headers: Headers, accept: string): string =>
  `${path} ${systemOf(headers.get("User-Agent")) ?? ""} ${accept}`;

/** The path of an absolute URL as it was sent, without its query: none is looked at (`?ns=`). */
function pathOf(url: string): string {
  const start = url.indexOf("/", "https://".length);
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
