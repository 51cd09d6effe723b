/**
 * An HTTP proxy on 127.0.0.1 in front of a registry or its bucket: a client is given the proxy's
 * address, and a test sees what it asked for, and can cut a connection in the middle of an answer.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A request of a client, and how far its answer came. */
export interface Passed {
  readonly method: string;
  readonly path: string;
  /** With its question mark, or empty. */
  readonly query: string;
  readonly range: string | undefined;
  status: number;
  /** Bytes of the body that went to the client. */
  bytes: number;
  isCut: boolean;
}

export interface Front {
  readonly url: string;
  /** Host and port, as image names have it. */
  readonly host: string;
  readonly passed: Passed[];
  /** The server behind it, `http://127.0.0.1:8787`. */
  target: string;
  /**
   * After how many bytes of the body the connection ends; null: not at all. Asked once for every
   * answer, when its headers have come.
   */
  cut: (passed: Passed) => number | null;
  stop(): Promise<void>;
}

export async function startFront(target = ""): Promise<Front> {
  const server = createServer((incoming, response) => {
    void pass(front, incoming, response).catch(() => response.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const front: Front = {
    url: `http://${host}`,
    host,
    passed: [],
    target,
    cut: () => null,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return front;
}

async function pass(
  front: Front,
  incoming: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = "", url = "", headers } = incoming;
  const { pathname, search } = new URL(url, front.url);
  const passed: Passed = {
    method,
    path: pathname,
    query: search,
    range: headers.range,
    status: 0,
    bytes: 0,
    isCut: false,
  };
  front.passed.push(passed);
  // The Host header stays the front's own: the registry's answers name it, and a presigned URL is
  // signed for it.
  const outgoing = request(new URL(url, front.target), { method, headers, agent: false });
  incoming.pipe(outgoing);
  const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
  passed.status = answer.statusCode ?? 0;
  const limit = front.cut(passed) ?? Number.POSITIVE_INFINITY;
  response.writeHead(passed.status, answer.headers);
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    const part = chunk.subarray(0, limit - passed.bytes);
    await write(response, part);
    passed.bytes += part.length;
    if (passed.bytes < limit) continue;
    passed.isCut = true;
    response.destroy();
    answer.destroy();
    return;
  }
  response.end();
}

/** Resolves when the bytes are on their way: a destroyed connection drops what is still here. */
const write = (response: ServerResponse, bytes: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    response.write(bytes, (error) => (error ? reject(error) : resolve()));
  });
