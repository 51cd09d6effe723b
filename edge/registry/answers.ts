/**
 * Manifests as answers with all their headers, and an isolate's cache of them in front of the
 * router: a request that was answered a moment ago needs no URL parsing, no hash and no look-up.
 * With it, cached tags are answered at 0.8 of workerd's maximal rate, without it at 0.4.
 *
 * By digest, an answer is reused for some seconds, since an image may be withdrawn. By tag it is
 * reused for a second, for each Accept header as sent (docker sends its types in random order, so
 * one image may have several) and each kind of machine.
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
 * Paths, headers and manifests. The bytes of a manifest are mostly shared with
 * pull/images/derived-blobs.ts, but counted again.
 */
const REMEMBERED_BYTES = 6 * 2 ** 20;
/** Size of the headers of an answer, roughly. */
const HEADER_BYTES = 1_000;
/** Longest Accept header that is worth a key, characters; docker's have about 600. */
const MAX_ACCEPT = 1_024;
/**
 * How long an answer by tag is reused, milliseconds: many pulls share one look-up, and a tag that
 * moved shows after a second.
 */
const TAG_ANSWER_MS = 1_000;

const remembered = memory<Remembered>(
  REMEMBERED_BYTES,
  ({ answer }) => answer.bytes.length + HEADER_BYTES,
);

/**
 * The answer with a manifest and all headers. Content-Type is the media type without parameters
 * (distribution spec).
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

/** The response to this request: 304 when the client already has it; without a body for HEAD. */
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

/** Reuses the answer for equal requests by digest, for some seconds. */
export function rememberByDigest({ url }: Request, answer: Answer, image: string): void {
  remembered.set(pathOf(url), { answer, image, until: Date.now() + DERIVED_MS });
}

/**
 * Reuses the answer for equal requests for the image's tag, for a moment. Only for answers that are
 * right for every client on this kind of machine: not for one that warns of a passing state.
 */
export function rememberByTag({ url, headers }: Request, answer: Answer, image: string): void {
  const accept = headers.get("Accept") ?? "";
  if (accept.length > MAX_ACCEPT) return;
  const until = Date.now() + TAG_ANSWER_MS;
  remembered.set(tagKey(pathOf(url), headers, accept), { answer, image, until });
}

/**
 * The answer that an equal request got a moment ago. Only answers to valid reads are cached, so
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
  // A browser gets a page, whatever a registry client got for the same path.
  if (accept.startsWith("text/html")) return null;
  const isByDigest = path.includes("/manifests/sha256:");
  const found = remembered.get(isByDigest ? path : tagKey(path, headers, accept));
  if (found === undefined || Date.now() >= found.until) return null;
  // The image's last pull was noted when this answer was made, at most some seconds ago.
  countPull(found.image, request, env, ctx);
  return respond({ method, headers }, found.answer);
}

/**
 * Everything that an answer by tag depends on: registry/platform.ts reads nothing else of a
 * User-Agent.
 */
const tagKey = (path: string, headers: Headers, accept: string): string =>
  `${path} ${systemOf(headers.get("User-Agent")) ?? ""} ${accept}`;

/** The path of an absolute URL as it was sent, without its query, which is ignored (`?ns=`). */
function pathOf(url: string): string {
  const start = url.indexOf("/", "https://".length);
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}
