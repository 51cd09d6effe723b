/**
 * Sends a PUT that the edge has signed. Uses node:http, whose requests have exactly the given
 * headers, including Content-Length; fetch sends a stream in chunks, which no signature allows.
 */
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingMessage,
  request as httpRequest,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Grant } from "../../edge/contract/bucket-requests.ts";

export type SignedPut = Extract<Grant, { kind: "put" }>;

/** What the service said: a status, and S3's own word for an error. */
export interface PutAnswer {
  readonly status: number;
  readonly code: string;
}

/** Limits of the wait for a connection and for an answer on it, milliseconds. */
const CONNECT_MS = 10_000;
const SILENCE_MS = 120_000;
/** Bytes of an error answer that are read. */
const MAX_ERROR = 16_384;

/** Connections that are kept for the next request. */
export class SignedRequests {
  readonly #http = new HttpAgent({ keepAlive: true, proxyEnv: process.env });
  readonly #https = new HttpsAgent({ keepAlive: true, proxyEnv: process.env });

  /**
   * Sends `body`, which has the length that was signed. Throws what the network or the body throws,
   * and the signal's reason; nothing is read from the body any more then.
   */
  async put(
    { url, headers }: SignedPut,
    body: Uint8Array | AsyncGenerator<Buffer>,
    signal: AbortSignal,
  ): Promise<PutAnswer> {
    const secure = url.startsWith("https:");
    const outgoing = (secure ? httpsRequest : httpRequest)(url, {
      method: "PUT",
      headers,
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
    const sent = send(body, outgoing);
    try {
      // An answer may come before all is sent: an error, and what is left need not be sent.
      const response = await Promise.race([answered, sent.then(() => answered)]);
      return { status: response.statusCode ?? 0, code: await codeOf(response) };
    } finally {
      if (!outgoing.writableFinished) outgoing.destroy();
      await sent.catch(() => undefined);
    }
  }

  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

async function send(
  body: Uint8Array | AsyncGenerator<Buffer>,
  outgoing: ClientRequest,
): Promise<void> {
  if (body instanceof Uint8Array) return void outgoing.end(body);
  await pipeline(Readable.from(body, { objectMode: false }), outgoing);
}

/** What S3 calls an error: `SlowDown`; else what HTTP calls it. Reads the answer to its end. */
async function codeOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) if (text.length < MAX_ERROR) text += String(chunk);
  return /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1] ?? response.statusMessage ?? "";
}
