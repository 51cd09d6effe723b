/**
 * An HTTP proxy as companies have one: CONNECT for what has TLS, absolute URLs for what has none. It
 * alone knows the hosts of its routes, which no resolver does, so whoever reaches one came this way.
 */
import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Server } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { Duplex } from "node:stream";

export interface ConnectProxy {
  readonly url: string;
  /** Connections and plain requests so far, by `host:port`. */
  readonly seen: ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** `user:password` that the proxy asks for. */
export const PROXY_ACCOUNT = "ci:secret";
const EXPECTED = `Basic ${Buffer.from(PROXY_ACCOUNT).toString("base64")}`;

/** `routes`: `host:port` as clients ask for it → port of 127.0.0.1. */
export async function startConnectProxy(
  routes: Readonly<Record<string, number>>,
): Promise<ConnectProxy> {
  const seen = new Map<string, number>();
  const sockets = new Set<Duplex>();
  const agent = new Agent();
  /** The port that a request is for; an answer why there is none. */
  const portFor = (to: string, { headers }: IncomingMessage): number | string => {
    if (headers["proxy-authorization"] !== EXPECTED) return "407 Proxy Authentication Required";
    seen.set(to, (seen.get(to) ?? 0) + 1);
    return routes[to] ?? "502 Bad Gateway";
  };
  const server = createServer((incoming: IncomingMessage, response: ServerResponse) => {
    const url = new URL(incoming.url ?? "", "http://no-absolute-url:80");
    const port = portFor(`${url.hostname}:${url.port || 80}`, incoming);
    if (typeof port === "string") return void response.writeHead(Number.parseInt(port)).end();
    const { method, headers } = incoming;
    const path = url.pathname + url.search;
    const onward = request({ agent, host: "127.0.0.1", port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.destroy());
    incoming.pipe(onward);
  });
  server.on("connect", (incoming: IncomingMessage, client: Duplex, head: Buffer) => {
    const port = portFor(incoming.url ?? "", incoming);
    if (typeof port === "string") return void client.end(`HTTP/1.1 ${port}\r\n\r\n`);
    const onward = connect(port, "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      client.pipe(onward).pipe(client);
    });
    for (const [one, other] of [[client, onward] as const, [onward, client] as const]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => sockets.delete(one));
    }
  });
  return {
    url: `http://${PROXY_ACCOUNT}@127.0.0.1:${await listen(server)}`,
    seen,
    async close() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** TLS in front of a port of 127.0.0.1, whatever is spoken within. */
export async function startTlsFront(
  port: number,
  { key, cert }: { readonly key: Buffer; readonly cert: Buffer },
): Promise<{ readonly port: number; close(): void }> {
  const sockets = new Set<Duplex>();
  const server = createTlsServer({ key, cert }, (client) => {
    const onward = connect(port, "127.0.0.1");
    for (const [one, other] of [[client, onward] as const, [onward, client] as const]) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => sockets.delete(one));
    }
    client.pipe(onward).pipe(client);
  });
  server.on("tlsClientError", () => undefined);
  return {
    port: await listen(server),
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
