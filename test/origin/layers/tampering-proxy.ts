/**
 * A proxy in front of an S3 endpoint that fails requests as told, the way a bucket in trouble does:
 * some of the body is taken, then the answer is an error, or none.
 */
import { createServer, request, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * `silence`: the request is taken and never answered. `delay`: it passes after so many
 * milliseconds. `cutAt`: the connection is lost after so many bytes of the answer.
 */
export type Trouble =
  | { readonly redirect: string }
  | { readonly cutAt: number }
  | { readonly status: number }
  | { readonly delay: number }
  | "hang-up"
  | "silence"
  | "pass";

export interface TamperingProxy {
  /** Origin of the proxy's URL. */
  readonly origin: string;
  /** Origin of the endpoint's URL: may be told, or change, while it runs. */
  target: string;
  /** What was asked: `PUT /path?query`, in order. */
  readonly seen: readonly string[];
  /** Decides about each request; the answer comes after some of its body arrived. */
  trouble: (request: IncomingMessage) => Trouble;
  stop(): Promise<void>;
}

export async function startProxy(target: string): Promise<TamperingProxy> {
  const seen: string[] = [];
  const server = createServer((incoming, answer) => {
    seen.push(`${incoming.method} ${incoming.url}`);
    const trouble = proxy.trouble(incoming);
    if (trouble === "silence") return void incoming.resume();
    if (typeof trouble === "object" && "delay" in trouble)
      return void setTimeout(() => pass(incoming, answer), trouble.delay);
    if (typeof trouble === "object" && "cutAt" in trouble)
      return pass(incoming, answer, trouble.cutAt);
    if (typeof trouble === "object" && "redirect" in trouble) {
      incoming.resume();
      return void answer.writeHead(307, { location: trouble.redirect }).end();
    }
    if (trouble !== "pass") {
      const fail = (): void => {
        if (trouble === "hang-up") return void incoming.socket.destroy();
        incoming.resume();
        answer.writeHead(trouble.status, { "content-type": "application/xml" });
        answer.end(
          `<?xml version="1.0"?><Error><Code>Trouble</Code><Message>made by the test</Message></Error>`,
        );
      };
      if (incoming.method === "PUT") incoming.once("data", fail);
      else fail();
      return;
    }
    pass(incoming, answer);
  });
  const pass = (incoming: IncomingMessage, answer: ServerResponse, cutAt = Infinity): void => {
    // The signature covers the Host header: it goes through as it came.
    const outgoing = request(
      new URL(incoming.url ?? "/", proxy.target),
      { method: incoming.method ?? "GET", headers: incoming.headers, setHost: false },
      (response) => {
        answer.writeHead(response.statusCode ?? 502, response.headers);
        if (cutAt === Infinity) return void response.pipe(answer);
        let sent = 0;
        response.on("data", (chunk: Buffer) => {
          answer.write(chunk);
          sent += chunk.length;
          if (sent >= cutAt) answer.destroy();
        });
      },
    );
    outgoing.on("error", () => incoming.socket.destroy());
    incoming.pipe(outgoing);
  };
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const proxy: TamperingProxy = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    target,
    seen,
    trouble: () => "pass",
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return proxy;
}
