/**
 * An S3 endpoint in front of a test edge's bucket, over which the Worker's requests go: a test sees
 * them, and can keep them from being answered.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";

export interface Seen {
  readonly method: string;
  /** The object's key in the bucket. */
  readonly key: string;
  readonly contentType: string;
  readonly body: Buffer;
}

export interface BucketFront {
  readonly endpoint: string;
  /** Every request that has come, as `GET tags/starter/latest.json`. */
  readonly requests: string[];
  /** Answers every request with 503 while it is set. */
  down: boolean;
  /** The endpoint behind; set once it is known. */
  target: string;
  /** Awaited before a request goes on to the bucket. */
  before: (seen: Seen) => Promise<void> | void;
  /** The status with which this request is refused; undefined: it goes on to the bucket. */
  refuses: (seen: Seen) => number | undefined;
  /** Whether the answer to this request breaks off in the middle of its body. */
  cuts: (seen: Seen) => boolean;
  stop(): Promise<void>;
}

interface Forwarded {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly isCut: boolean;
}

/** The bucket's name in the paths of test edges, see origin/server/edge.ts. */
const BUCKET = "firn";

export async function startBucketFront(): Promise<BucketFront> {
  const server = createServer((request, response) => {
    void forward(request).then(
      ({ status, headers, body, isCut }) => {
        response.writeHead(status, headers);
        if (!isCut) return response.end(body);
        const half = body.subarray(0, body.length / 2);
        return response.write(half, () => response.destroy());
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const front: BucketFront = {
    endpoint: `http://127.0.0.1:${port}`,
    requests: [],
    down: false,
    target: "",
    before: () => undefined,
    refuses: () => undefined,
    cuts: () => false,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  const forward = async (incoming: IncomingMessage): Promise<Forwarded> => {
    const { method = "", url = "", headers } = incoming;
    const body = await buffer(incoming);
    const key = decodeURIComponent(url.split(`/${BUCKET}/`)[1] ?? "");
    front.requests.push(`${method} ${key}`);
    if (front.down) return { status: 503, headers: {}, body: Buffer.from("down"), isCut: false };
    const seen = { method, key, contentType: headers["content-type"] ?? "", body };
    await front.before(seen);
    const status = front.refuses(seen);
    if (status !== undefined)
      return { status, headers: {}, body: Buffer.from("refused"), isCut: false };
    // The Host header stays the front's own: the request is signed for it.
    const outgoing = httpRequest(new URL(url, front.target), { method, headers, agent: false });
    outgoing.end(body);
    const [answer] = (await once(outgoing, "response")) as [IncomingMessage];
    return {
      status: answer.statusCode ?? 0,
      headers: answer.headers,
      body: await buffer(answer),
      isCut: front.cuts(seen),
    };
  };
  return front;
}
