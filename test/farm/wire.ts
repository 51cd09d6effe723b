/**
 * The wire between an origin and its edge, held by a test: it looks at every message of the
 * channel, and loses, changes, repeats or holds back what it likes.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import pLimit from "p-limit";
import { WebSocket, WebSocketServer } from "ws";

export type Direction = "to-edge" | "to-origin";

/** Gets one message (JSON, or a ping), returns what is delivered in its place. */
export type Interceptor = (
  text: string,
  direction: Direction,
) => readonly string[] | Promise<readonly string[]>;

export interface Wire {
  /** Host and port that the origin is told to connect to. */
  readonly host: string;
  /** Looks at every message from now on; undefined: all pass as they are. */
  intercept: Interceptor | undefined;
  /** Whether new connections are refused, as by a broken network. */
  refusing: boolean;
  /** Drops every connection without a close frame. */
  cut(): void;
  stop(): Promise<void>;
}

/** The message's type; undefined for a ping. */
export const typeOf = (text: string): string | undefined =>
  text.startsWith("{") ? (JSON.parse(text) as { type: string }).type : undefined;

/** Listens on a free port, and connects to `edgeHost` for each connection that it takes. */
export async function startWire(edgeHost: string): Promise<Wire> {
  const http = createServer();
  const server = new WebSocketServer({ noServer: true });
  const sockets = new Set<WebSocket>();
  const keep = (socket: WebSocket): void => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => undefined);
  };

  http.on("upgrade", (request, stream, head) => {
    stream.on("error", () => undefined);
    if (wire.refusing) return void stream.destroy();
    const { authorization = "" } = request.headers;
    const edge = new WebSocket(`ws://${edgeHost}${request.url ?? "/"}`, {
      headers: { authorization },
      perMessageDeflate: false,
    });
    keep(edge);
    edge.on("unexpected-response", (_, { statusCode = 502, headers }) => {
      const date = headers.date === undefined ? "" : `Date: ${headers.date}\r\n`;
      stream.end(`HTTP/1.1 ${statusCode} Refused\r\n${date}Content-Length: 0\r\n\r\n`);
      edge.terminate();
    });
    edge.on("error", () => stream.destroy());
    edge.on("open", () =>
      server.handleUpgrade(request, stream, head, (origin) => {
        keep(origin);
        forward(origin, edge, "to-edge");
        forward(edge, origin, "to-origin");
      }),
    );
  });

  function forward(from: WebSocket, to: WebSocket, direction: Direction): void {
    const pass = async (text: string): Promise<void> => {
      const messages = (await wire.intercept?.(text, direction)) ?? [text];
      for (const message of messages) if (to.readyState === WebSocket.OPEN) to.send(message);
    };
    // One after another: a message that is held back holds back those behind it.
    const inOrder = pLimit(1);
    from.on("message", (data: Buffer) => void inOrder(pass, data.toString("utf8")));
    from.on("close", (code, reason) => {
      if (code >= 4_000 || code === 1_000) to.close(code, reason.toString());
      else to.terminate();
    });
  }

  const wire: Wire = {
    host: "",
    intercept: undefined,
    refusing: false,
    cut: () => sockets.forEach((socket) => socket.terminate()),
    async stop() {
      wire.cut();
      http.closeAllConnections();
      http.close();
      await once(http, "close");
    },
  };
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return Object.assign(wire, { host: `127.0.0.1:${(http.address() as AddressInfo).port}` });
}
