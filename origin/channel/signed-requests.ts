/**
 * Sends requests that the edge has signed, to where it may send this origin (destinations.ts), and
 * follows no redirect. Uses node:http, whose requests have exactly the given headers, including
 * Content-Length; fetch sends a stream in chunks, which no signature allows.
 */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
  type RequestOptions,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Grant } from "../../edge/contract/bucket-requests.ts";
import { DestinationRefused, type Destinations } from "./destinations.ts";

export type SignedPut = Extract<Grant, { kind: "put" }>;

/** The bucket's answer: a status, and S3's code of an error. */
export interface PutAnswer {
  readonly status: number;
  readonly code: string;
}

/** Time limits of connecting and of waiting for an answer, ms. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;
/** Bytes of an error's text that are kept. */
const MAX_ERROR = 16_384;
/** What a signed PUT has: no other header is sent for an edge. */
const PUT_HEADER =
  /^(authorization|content-length|content-type|host|if-none-match|x-amz-[a-z0-9-]+)$/;

/** What a PUT sends. */
export interface Body {
  readonly size: number;
  readonly bytes: Uint8Array | AsyncIterable<Buffer>;
}

/** Sends requests, and keeps connections open for the next ones. */
export class SignedRequests {
  readonly #destinations: Destinations;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor(destinations: Destinations) {
    const options = { keepAlive: true, proxyEnv: process.env };
    this.#destinations = destinations;
    this.#http = new HttpAgent({ ...options, lookup: destinations.lookup("http:") });
    this.#https = new HttpsAgent({ ...options, lookup: destinations.lookup("https:") });
  }

  /**
   * Sends `body`, which has the length that was signed. Throws a DestinationRefused, what the
   * network or the body throws, and the signal's reason; nothing is read from the body any more
   * then.
   */
  async put(
    { url, headers }: SignedPut,
    { size, bytes }: Body,
    signal: AbortSignal,
  ): Promise<PutAnswer> {
    const to = this.#destinations.check(url);
    checkHeaders(to, headers, size);
    const { outgoing, answered } = this.#request(to, { method: "PUT", headers }, signal);
    const sent = send(bytes, outgoing);
    try {
      // An error may be answered before everything is sent.
      const response = await Promise.race([answered, sent.then(() => answered)]);
      return { status: response.statusCode ?? 0, code: await codeOf(response) };
    } finally {
      if (!outgoing.writableFinished) outgoing.destroy();
      await sent.catch(() => undefined);
    }
  }

  /**
   * The answer to a GET, whatever its status; its body is the caller's to read, or to destroy.
   * Throws a DestinationRefused, what the network throws, and the signal's reason.
   */
  async get(url: string, signal: AbortSignal): Promise<IncomingMessage> {
    const to = this.#destinations.check(url);
    const { outgoing, answered } = this.#request(to, { method: "GET" }, signal);
    outgoing.end();
    return answered;
  }

  #request(
    url: URL,
    options: RequestOptions,
    signal: AbortSignal,
  ): { readonly outgoing: ClientRequest; readonly answered: Promise<IncomingMessage> } {
    const secure = url.protocol === "https:";
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      ...options,
      agent: secure ? this.#https : this.#http,
      timeout: SILENCE_MS,
      signal,
    });
    outgoing.on("socket", (socket) => {
      if (!socket.connecting) return;
      socket.setTimeout(CONNECT_MS);
      socket.once("connect", () => socket.setTimeout(SILENCE_MS));
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error("the bucket does not answer")));
    const answered = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
    });
    answered.catch(() => undefined);
    return { outgoing, answered };
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/**
 * Throws a DestinationRefused for headers that no signed PUT has. With another length than the
 * body's, what is beyond it would be taken for a second request, written by whoever chose the body.
 */
function checkHeaders(url: URL, headers: SignedPut["headers"], size: number): void {
  for (const [name, value] of Object.entries(headers)) {
    const header = name.toLowerCase();
    const wrong =
      !PUT_HEADER.test(header) ||
      (header === "host" && value !== url.host) ||
      (header === "content-length" && value !== String(size));
    if (wrong)
      throw new DestinationRefused(
        `the edge wants a header of this origin that is none of a signed PUT: ${header}`,
      );
  }
}

async function send(body: Body["bytes"], outgoing: ClientRequest): Promise<void> {
  if (body instanceof Uint8Array) return void outgoing.end(body);
  await pipeline(Readable.from(body, { objectMode: false }), outgoing);
}

/** S3's code of an error (`SlowDown`), else HTTP's reason phrase. Reads the answer to its end. */
async function codeOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) if (text.length < MAX_ERROR) text += String(chunk);
  return /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1] ?? response.statusMessage ?? "";
}
